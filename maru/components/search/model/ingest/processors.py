"""The processors of ingest pipelines.

Each is made from its parameters and changes one document. Source: Elasticsearch reference, "Ingest processor
reference".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from maru.components.search.model.ingest.documents import (
    Dropped,
    Environment,
    ProcessorFault,
    condition_holds,
    filled,
    find,
    put,
    remove,
)
from maru.components.search.model.ingest.grok import grok_pattern
from maru.wire.elastic.dates import DateError, Format, iso, zone_of
from maru.wire.elastic.json import BodyError, Json, Object, as_text, decode

Change = Callable[[Object, Object, Environment], None]


@dataclass(frozen=True)
class Step:
    """One processor with what it does about failures."""

    kind: str
    params: Object
    change: Change
    failures: list[Step]

    def run(self, document: Object, meta: Object, environment: Environment) -> None:
        """Raises ProcessorFault or Dropped."""
        condition = self.params.get("if")
        if condition is not None and not condition_holds(str(condition), document):
            return
        try:
            self.change(document, meta, environment)
        except ProcessorFault as error:
            error.processor = error.processor or self.kind
            error.tag = error.tag or str(self.params.get("tag", ""))
            if self.failures:
                meta["_ingest"] = {
                    "on_failure_message": str(error),
                    "on_failure_processor_type": error.processor,
                    "on_failure_processor_tag": error.tag,
                }
                for step in self.failures:
                    step.run(document, meta, environment)
            elif self.params.get("ignore_failure") not in (True, "true"):
                raise


def _field(params: Object, document: Object, *, kind: type = object) -> Json:
    """The value a processor works on; raises ProcessorFault, or _Skip where a missing one is passed over."""
    path = str(params["field"])
    value = find(document, path)
    if value is None:
        if params.get("ignore_missing") in (True, "true"):
            raise _Skip
        if path.rpartition(".")[2] in (find(document, path.rpartition(".")[0]) or {} if "." in path else document):
            raise ProcessorFault(f"field [{path}] is null, cannot process it.")
        raise ProcessorFault(
            f"field [{path.rsplit('.', maxsplit=1)[-1] if '.' not in path else path}] not present as part of "
            f"path [{path}]"
        )
    return value


class _Skip(Exception):
    pass


def _text_processor(change: Callable[[str, Object], Json]) -> Callable[[Object], Change]:
    """Processors that turn text into a value."""

    def make(params: Object) -> Change:
        _require(params, "field")

        def run(document: Object, meta: Object, environment: Environment) -> None:
            try:
                value = _field(params, document)
            except _Skip:
                return
            if not isinstance(value, str | list):
                raise ProcessorFault(
                    f"field [{params['field']}] of type [java.lang.{_java(value)}] cannot be cast to [java.lang.String]"
                )
            result = [change(str(one), params) for one in value] if isinstance(value, list) else change(value, params)
            put(document, str(params.get("target_field", params["field"])), result)

        return run

    return make


def _java(value: Json) -> str:
    return {bool: "Boolean", int: "Integer", float: "Double", str: "String", dict: "Map", list: "List"}.get(
        type(value), "Object"
    )


def _require(params: Object, *names: str) -> None:
    from maru.components.search.errors import failure

    for name in names:
        if name not in params:
            raise failure(400, "parse_exception", f"[{name}] required property is missing", property_name=name)


def _set(params: Object) -> Change:
    _require(params, "field")

    def run(document: Object, meta: Object, environment: Environment) -> None:
        path = str(filled(params["field"], document, meta, environment))
        if params.get("override") in (False, "false") and find(document, path) is not None:
            return
        value = (
            find(document, str(params["copy_from"]))
            if "copy_from" in params
            else filled(params.get("value"), document, meta, environment)
        )
        if params.get("ignore_empty_value") in (True, "true") and value in (None, ""):
            return
        if path in ("_index", "_id", "_routing"):
            meta[path] = value
        else:
            put(document, path, value)

    return run


def _remove(params: Object) -> Change:
    def run(document: Object, meta: Object, environment: Environment) -> None:
        if "keep" in params:
            kept = params["keep"] if isinstance(params["keep"], list) else [params["keep"]]
            for name in [one for one in document if one not in kept]:
                del document[name]
            return
        for given in params["field"] if isinstance(params["field"], list) else [params["field"]]:
            path = str(filled(given, document, meta, environment))
            if not remove(document, path) and params.get("ignore_missing") not in (True, "true"):
                raise ProcessorFault(f"field [{path}] not present as part of path [{path}]")

    return run


def _rename(params: Object) -> Change:
    _require(params, "field", "target_field")

    def run(document: Object, meta: Object, environment: Environment) -> None:
        source, target = (str(filled(params[name], document, meta, environment)) for name in ("field", "target_field"))
        value = find(document, source)
        if value is None:
            if params.get("ignore_missing") in (True, "true"):
                return
            raise ProcessorFault(f"field [{source}] doesn't exist")
        if find(document, target) is not None and params.get("override") not in (True, "true"):
            raise ProcessorFault(f"field [{target}] already exists")
        remove(document, source)
        put(document, target, value)

    return run


def _append(params: Object) -> Change:
    _require(params, "field", "value")

    def run(document: Object, meta: Object, environment: Environment) -> None:
        path = str(params["field"])
        have = find(document, path)
        values = have if isinstance(have, list) else [] if have is None else [have]
        given = params["value"] if isinstance(params["value"], list) else [params["value"]]
        allows = params.get("allow_duplicates", True) not in (False, "false")
        fresh = [filled(one, document, meta, environment) for one in given]
        put(document, path, [*values, *(one for one in fresh if allows or one not in values)])

    return run


def _date(params: Object) -> Change:
    _require(params, "field", "formats")

    def run(document: Object, meta: Object, environment: Environment) -> None:
        value = as_text(_field(params, document))
        zone = zone_of(str(params.get("timezone", "UTC")))
        for name in params["formats"]:
            spelled = {"ISO8601": "iso8601", "UNIX": "epoch_second", "UNIX_MS": "epoch_millis"}.get(
                str(name), str(name)
            )
            try:
                moment = Format(spelled).parse(value, zone=zone)
            except DateError:
                continue
            form = str(params.get("output_format", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"))
            text = (
                iso(moment, zone) if form.startswith("yyyy-MM-dd'T'HH:mm:ss.SSSX") else Format(form).write(moment, zone)
            )
            put(document, str(params.get("target_field", "@timestamp")), text)
            return
        raise ProcessorFault(f"unable to parse date [{value}]")

    return run


def _json(params: Object) -> Change:
    _require(params, "field")

    def run(document: Object, meta: Object, environment: Environment) -> None:
        try:
            value = decode(as_text(_field(params, document)))
        except BodyError as error:
            raise ProcessorFault(f"{error.reason}") from error
        if params.get("add_to_root") in (True, "true"):
            if not isinstance(value, dict):
                raise ProcessorFault("cannot add non-map fields to root of document")
            document.update(value)
        else:
            put(document, str(params.get("target_field", params["field"])), value)

    return run


def _grok(params: Object) -> Change:
    _require(params, "field", "patterns")
    compiled = [grok_pattern(str(pattern), params.get("pattern_definitions") or {}) for pattern in params["patterns"]]

    def run(document: Object, meta: Object, environment: Environment) -> None:
        try:
            text = as_text(_field(params, document))
        except _Skip:
            return
        for pattern in compiled:
            found = pattern.match(text)
            if found is not None:
                for path, value in found.items():
                    put(document, path, value)
                return
        raise ProcessorFault(f"Provided Grok expressions do not match field value: [{text}]")

    return run


def _dissect(params: Object) -> Change:
    _require(params, "field", "pattern")
    pattern = str(params["pattern"])
    pieces = re.split(r"%\{([^}]*)\}", pattern)
    expression = re.escape(pieces[0])
    names = []
    for index in range(1, len(pieces), 2):
        names.append(pieces[index])
        is_padded = pieces[index].endswith("->")
        literal = re.escape(pieces[index + 1])
        expression += "(.*?)" + (f"(?:{literal})+" if is_padded and literal else literal)
    compiled = re.compile(expression + r"\Z", re.DOTALL)

    def run(document: Object, meta: Object, environment: Environment) -> None:
        text = as_text(_field(params, document))
        found = compiled.match(text)
        if found is None:
            raise ProcessorFault(
                f"Unable to find match for dissect pattern: {pattern} against source: {text}",
                "dissect_exception_find_match",
            )
        for spelled, value in zip(names, found.groups(), strict=True):
            name = spelled.removesuffix("->")
            if not name or name.startswith("?"):
                continue
            if name.startswith("+"):
                have = find(document, name[1:].partition("/")[0])
                separator = str(params.get("append_separator", ""))
                put(document, name[1:].partition("/")[0], value if have is None else f"{have}{separator}{value}")
            else:
                put(document, name, value)

    return run


def _kv(params: Object) -> Change:
    _require(params, "field", "field_split", "value_split")

    def run(document: Object, meta: Object, environment: Environment) -> None:
        try:
            text = as_text(_field(params, document))
        except _Skip:
            return
        base = str(params.get("target_field", ""))
        includes, excludes = params.get("include_keys"), params.get("exclude_keys") or []
        for pair in re.split(str(params["field_split"]), text):
            parts = re.split(str(params["value_split"]), pair, maxsplit=1)
            if len(parts) != 2:
                continue
            name, value = parts
            if (includes is not None and name not in includes) or name in excludes:
                continue
            value = value.strip("\"'()[]<>") if params.get("strip_brackets") in (True, "true") else value
            put(document, f"{base}.{name}" if base else str(params.get("prefix", "")) + name, value)

    return run


def _convert(params: Object) -> Change:
    _require(params, "field", "type")
    kind = str(params["type"])

    def one(value: Json) -> Json:
        text = as_text(value)
        try:
            if kind in ("integer", "long"):
                return int(text, 0) if text.lower().startswith("0x") else int(text)
            if kind in ("float", "double"):
                return float(text)
        except ValueError as error:
            raise ProcessorFault(f"unable to convert [{text}] to {kind}") from error
        if kind == "boolean":
            if text.lower() not in ("true", "false"):
                raise ProcessorFault(f"[{text}] is not a boolean value, cannot convert to boolean")
            return text.lower() == "true"
        if kind == "auto":
            if text in ("true", "false"):
                return text == "true"
            return (
                int(text)
                if re.fullmatch(r"[+-]?\d+", text)
                else float(text)
                if re.fullmatch(r"[+-]?\d*\.\d+", text)
                else value
            )
        return text

    def run(document: Object, meta: Object, environment: Environment) -> None:
        try:
            value = _field(params, document)
        except _Skip:
            return
        put(
            document,
            str(params.get("target_field", params["field"])),
            [one(item) for item in value] if isinstance(value, list) else one(value),
        )

    return run


def _foreach(params: Object) -> Change:
    _require(params, "field", "processor")
    kind, inner = next(iter(params["processor"].items()))

    def run(document: Object, meta: Object, environment: Environment) -> None:
        try:
            values = _field(params, document)
        except _Skip:
            return
        step = Step(kind, inner, PROCESSORS[kind](inner), [])
        results = []
        for value in values:
            document["_ingest"] = {"_value": value}
            try:
                step.run(document, meta, environment)
                results.append(document["_ingest"]["_value"])
            finally:
                document.pop("_ingest", None)
        put(document, str(params["field"]), results)

    return run


def _fail(params: Object) -> Change:
    def run(document: Object, meta: Object, environment: Environment) -> None:
        raise ProcessorFault(
            str(filled(params.get("message", ""), document, meta, environment)), "fail_processor_exception"
        )

    return run


def _drop(params: Object) -> Change:
    def run(document: Object, meta: Object, environment: Environment) -> None:
        raise Dropped

    return run


def _pipeline(params: Object) -> Change:
    _require(params, "name")
    return lambda document, meta, environment: environment.pipeline(str(params["name"]))


def _sort(params: Object) -> Change:
    def run(document: Object, meta: Object, environment: Environment) -> None:
        values = _field(params, document)
        put(
            document,
            str(params.get("target_field", params["field"])),
            sorted(values, reverse=params.get("order") == "desc"),
        )

    return run


def _join(params: Object) -> Change:
    def run(document: Object, meta: Object, environment: Environment) -> None:
        values = _field(params, document)
        if not isinstance(values, list):
            raise ProcessorFault(
                f"field [{params['field']}] of type [java.lang.{_java(values)}] cannot be cast to [java.util.List]"
            )
        put(
            document,
            str(params.get("target_field", params["field"])),
            str(params["separator"]).join(as_text(one) for one in values),
        )

    return run


def _expand(params: Object) -> Change:
    def run(document: Object, meta: Object, environment: Environment) -> None:
        name = str(params["field"])
        for path in [one for one in document if "." in one] if name == "*" else [name]:
            if path in document:
                put(document, path, document.pop(path))

    return run


def _script(params: Object) -> Change:
    from maru.components.search.errors import unsupported

    raise unsupported("the processor [script]")


def _bytes(text: str, params: Object) -> Json:
    from maru.wire.elastic.units import size_bytes

    try:
        return size_bytes(text)
    except ValueError as error:
        raise ProcessorFault(str(error)) from error


PROCESSORS: Mapping[str, Callable[[Object], Change]] = {
    "set": _set,
    "remove": _remove,
    "rename": _rename,
    "append": _append,
    "date": _date,
    "json": _json,
    "grok": _grok,
    "dissect": _dissect,
    "kv": _kv,
    "convert": _convert,
    "foreach": _foreach,
    "fail": _fail,
    "drop": _drop,
    "pipeline": _pipeline,
    "sort": _sort,
    "join": _join,
    "dot_expander": _expand,
    "script": _script,
    "lowercase": _text_processor(lambda text, params: text.lower()),
    "uppercase": _text_processor(lambda text, params: text.upper()),
    "trim": _text_processor(lambda text, params: text.strip()),
    "urldecode": _text_processor(lambda text, params: unquote_plus(text)),
    "bytes": _text_processor(_bytes),
    "html_strip": _text_processor(lambda text, params: re.sub(r"<[^>]*>", "", text)),
    "gsub": _text_processor(
        lambda text, params: re.sub(
            str(params["pattern"]), re.sub(r"\$(\d)", r"\\\1", str(params["replacement"])), text
        )
    ),
    "split": _text_processor(
        lambda text, params: (
            list(re.split(str(params["separator"]), text))
            if params.get("preserve_trailing")
            else re.split(str(params["separator"]), text)
        )
    ),
}
