"""A plugin's options: from what was written to a typed struct, with Logstash's ways and messages.

Each plugin declares a frozen msgspec struct. What was written is looser than that: numbers may stand
in quotes, one value where a list is wanted is a list of one and the other way round, a hash may be a
list of pairs, the same list or hash option given twice is one. An option that Logstash has and Maru
does not do is refused, unless it says what is so anyway.
Source: Logstash reference, "Value types"; Logstash's config mixin (messages).
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from maru.core.errors import Invalid
from maru.wire.logstash.syntax import Bareword, Hash, Place, Plugin, Regexp, Value

NOWHERE = Place(0, 0)
ECS_VERSIONS = ("v1", "v8")
"""They name the fields alike, as far as plugins here go."""


class Codec:
    """A codec as it was chosen: `codec => json`, or with options of its own."""

    __slots__ = ("plugin",)

    def __init__(self, plugin: Plugin) -> None:
        self.plugin = plugin

    @property
    def name(self) -> str:
        """`plugin.name`."""
        return self.plugin.name


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every plugin takes. id: its name in metrics, "" for one made up; enable_metric: whether it is counted."""

    not_done: ClassVar[frozenset[str]] = frozenset(["enable_metric"])
    """Options that may only stand with their default value; those of a struct and of its bases count together."""

    without_effect: ClassVar[frozenset[str]] = frozenset()
    """Options that change no event, in Logstash neither: how many threads there are, how long buffers wait."""

    id: str = ""
    enable_metric: bool = True


class FilterOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every filter does to events that it was successful on."""

    not_done: ClassVar[frozenset[str]] = frozenset(["periodic_flush"])

    add_field: Mapping[str, object] = {}
    remove_field: Sequence[str] = ()
    add_tag: Sequence[str] = ()
    remove_tag: Sequence[str] = ()
    periodic_flush: bool = False


class InputOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every input gives its events. codec: None for the input's own."""

    type: str = ""
    tags: Sequence[str] = ()
    add_field: Mapping[str, object] = {}
    codec: Codec | None = None


class OutputOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every output takes. codec: None for the output's own."""

    not_done: ClassVar[frozenset[str]] = frozenset(["workers"])

    codec: Codec | None = None
    workers: int = 1


O = TypeVar("O", bound=Options)  # noqa: E741


def options_of(plugin: Plugin, kind: type[O], section: str) -> O:
    """The options of `plugin` as `kind`. section: input, filter, output or codec.

    Raises Invalid in Logstash's words: an unknown setting, a missing one, one of the wrong kind.
    """
    hints = get_type_hints(kind)
    names = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    by_written = {written: name for name, written in names.items()}
    given = {name for name, _ in plugin.attributes}
    usual = [(name, value) for name, value in plugin.usual if name in by_written and name not in given]
    values: dict[str, object] = {}
    for name, value in (*plugin.attributes, *usual):
        if name not in by_written:
            raise Invalid(
                what=f"{section} plugin {plugin.name!r} at line {plugin.place.line}",
                why=f"Unknown setting '{name}' for {plugin.name}",
                fix="take it out, or look for its name in the plugin's reference",
            )
        wanted = hints[by_written[name]]
        read = _read(value, wanted)
        values[name] = _together(values[name], read) if name in values else read
    try:
        options = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _wrong(plugin, section, values, str(error)) from error
    _refuse_not_done(plugin, section, options)
    return options


def plain(value: Value) -> object:
    """What was written, as JSON has it; true and false are booleans."""
    match value:
        case Bareword(word):
            return {"true": True, "false": False, "nil": None}.get(word, word)
        case Regexp(pattern):
            return pattern
        case Hash(entries):
            return {str(plain(key)): plain(inner) for key, inner in entries}
        case tuple():
            return [plain(element) for element in value]
        case _:
            return value


def _read(value: Value, wanted: object) -> object:
    if wanted == Codec | None:
        return Codec(_as_plugin(value))
    found = plain(value)
    origin = get_origin(wanted)
    if origin in (types.UnionType, typing.Union):
        return _read(value, next(kind for kind in get_args(wanted) if kind is not type(None)))
    if _is_sequence(origin):
        elements = found if isinstance(found, list) else [found]
        return list(map(_text, elements)) if get_args(wanted) == (str,) else elements
    if isinstance(found, list) and len(found) == 1 and not _is_mapping(origin):
        found = found[0]
    if wanted is str:
        return _text(found)
    if _is_mapping(origin) and isinstance(found, list) and len(found) % 2 == 0:
        return dict(zip(map(str, found[::2]), found[1::2], strict=True))
    return found


def _text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _refuse_not_done(plugin: Plugin, section: str, options: Options) -> None:
    names = {name for base in type(options).__mro__ for name in vars(base).get("not_done", ())}
    for field in msgspec.structs.fields(options):
        if field.name not in names:
            continue
        value = getattr(options, field.name)
        if value == field.default or (field.name == "ecs_compatibility" and value in ECS_VERSIONS):
            continue
        raise Invalid(
            what=f"{section} plugin {plugin.name!r} at line {plugin.place.line}",
            why=f"Setting '{field.name}' is not supported by Maru",
            fix="take it out",
        )


def _as_plugin(value: Value) -> Plugin:
    if isinstance(value, Plugin):
        return value
    name = value.word if isinstance(value, Bareword) else value
    return Plugin(str(name), (), NOWHERE, str(name))


def _is_sequence(origin: object) -> bool:
    return isinstance(origin, type) and issubclass(origin, Sequence)


def _is_mapping(origin: object) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _together(first: object, second: object) -> object:
    if isinstance(first, list) and isinstance(second, list):
        return first + second
    if isinstance(first, dict) and isinstance(second, dict):
        return first | second
    return second


def _wrong(plugin: Plugin, section: str, values: Mapping[str, object], message: str) -> Invalid:
    what = f"{section} plugin {plugin.name!r} at line {plugin.place.line}"
    if "missing required field" in message:
        name = message.split("`")[1]
        return Invalid(
            what=what,
            why=f"Missing a required setting for the {plugin.name} {section} plugin: {name}",
            fix=f"give it: {plugin.name} {{ {name} => ... }}",
        )
    name = message.rsplit("$.", 1)[1].split("[", maxsplit=1)[0].rstrip("`") if "$." in message else ""
    return Invalid(
        what=what,
        why=f"Setting '{name}' cannot be {values.get(name)!r}: {message.split(' - at', maxsplit=1)[0]}",
        fix="see the value types in the plugin's reference",
    )
