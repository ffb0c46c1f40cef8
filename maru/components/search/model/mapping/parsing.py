"""A document against a mapping: its columns, its nested objects, and the fields that it brings.

What is not mapped is mapped as the index's `dynamic` and its dynamic templates say. Source: Elasticsearch
reference, "Dynamic field mapping", "Dynamic templates"; DocumentParser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from maru.components.search.errors import failure
from maru.components.search.model.mapping.columns import FIELDS, ID, LOCATION, NESTED, OFFSET, ROUTING, SEQ
from maru.components.search.model.mapping.fields import Field, Out
from maru.components.search.model.mapping.mapping import Mapping, Node
from maru.components.search.model.mapping.shortcut import Flat, Shortcut
from maru.core.errors import MaruError
from maru.wire.elastic.dates import DateError, Format
from maru.wire.elastic.json import Json, Object, as_text, encode, token_of

ARRAY_MAX = 10_000
SHORTCUT_FROM = 32  # documents of one mapping
_DATE_DETECTION = Format("strict_date_optional_time||yyyy/MM/dd HH:mm:ss Z||yyyy/MM/dd Z||yyyy/MM/dd")
_LOOKS_LIKE_DATE = re.compile(r"\d{4}[-/]\d{2}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(slots=True)
class Parsed:
    """columns: of the document itself. children: (path, columns) of each nested object.

    added: definitions of fields it brings, by path, where dynamic mapping takes them; it must be parsed again then.
    """

    columns: Out
    children: list[tuple[str, Out]] = field(default_factory=list)
    added: Object = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)

    def texts(self, doc_id: str, seq: int, location: int, routing: str) -> tuple[str, ...]:
        """What a partition takes: JSON by column of each nested object, and of the document last."""
        told = [
            {**columns, ID: doc_id, NESTED: path, SEQ: seq, OFFSET: offset, LOCATION: -1}
            for offset, (path, columns) in enumerate(self.children)
        ]
        own: Object = {**self.columns, ID: doc_id, SEQ: seq, LOCATION: location}
        if routing:
            own[ROUTING] = routing
        return tuple(encode(one).decode() for one in (*told, own))


class Parser:
    """Parses documents of one mapping. needs: names without which the shortcut is not taken."""

    def __init__(self, mapping: Mapping, needs: Sequence[str] = ()) -> None:
        self._mapping = mapping
        self._needs = needs
        self._asked = 0
        self._shortcut: Shortcut | None = None
        self._definition = mapping.definition
        self._detects_dates = mapping.definition.get("date_detection", True) not in (False, "false")
        self._detects_numbers = mapping.definition.get("numeric_detection", False) in (True, "true")
        formats = mapping.definition.get("dynamic_date_formats")
        self._dates = Format("||".join(formats)) if formats else _DATE_DETECTION
        self._has_own_dates = bool(formats)
        self._templates = [
            (name, template)
            for one in mapping.definition.get("dynamic_templates") or []
            for name, template in one.items()
        ]

    def read(self, raw: bytes) -> Flat | None:
        """The document by the shortcut, which is made once it is worth it; None where `parse` has to do it."""
        if self._shortcut is None:
            self._asked += 1
            if self._asked < SHORTCUT_FROM:
                return None
            self._shortcut = Shortcut(self._mapping, self._needs)
        return self._shortcut.read(raw) if self._shortcut.is_open else None

    def parse(self, source: Object, doc_id: str, raw: bytes = b"") -> Parsed:
        """Raises document_parsing_exception."""
        parsed = Parsed({})
        if self._mapping.root.is_enabled:
            walk = _Walk(self, parsed, doc_id, raw)
            walk.object(source, self._mapping.root, parsed.columns)
            for target, value in walk.copies:
                aim = self._mapping.find(target)
                if aim is not None:
                    walk.field(value, aim, parsed.columns)
                else:
                    self.learn(target, value, parsed)
        return parsed

    def learn(self, path: str, value: Json, parsed: Parsed) -> None:
        """Map `path` by what its value looks like."""
        if path not in parsed.added:
            definition = self.infer(path, value)
            if definition is not None:
                parsed.added[path] = definition

    def infer(self, path: str, value: Json) -> Object | None:
        """The definition of a field that is new; None while nothing can be told (null, empty array)."""
        while isinstance(value, list):
            value = next((one for one in value if one is not None), None)
        if value is None:
            return None
        kind, default = self._guess(value)
        name = path.rpartition(".")[2]
        for _, template in self._templates:
            if _fits(template, kind, name, path):
                return _filled(template.get("mapping") or template.get("runtime") or {}, name, default)
        return default

    def _guess(self, value: Json) -> tuple[str, Object]:
        if isinstance(value, dict):
            return "object", {"type": "object"}
        if isinstance(value, bool):
            return "boolean", {"type": "boolean"}
        if isinstance(value, int):
            return "long", {"type": "long"}
        if isinstance(value, float):
            return "double", {"type": "float"}
        text = str(value)
        if self._detects_dates and (self._has_own_dates or _LOOKS_LIKE_DATE.match(text)):
            for spelled in self._dates.spelled.split("||"):
                try:
                    Format(spelled).parse(text)
                except DateError:
                    continue
                if not self._has_own_dates and spelled == "strict_date_optional_time":
                    return "date", {"type": "date"}
                shown = spelled if self._has_own_dates else "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis"
                return "date", {"type": "date", "format": shown}
        if self._detects_numbers and _NUMBER.fullmatch(text):
            return ("double", {"type": "float"}) if "." in text else ("long", {"type": "long"})
        return "string", {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}


_SCALARS = (str, int, float, bool)


class _Walk:
    """One walk through one document."""

    def __init__(self, parser: Parser, parsed: Parsed, doc_id: str, raw: bytes) -> None:
        self._parser = parser
        self._parsed = parsed
        self._id = doc_id
        self._raw = raw
        self.copies: list[tuple[str, Json]] = []

    def object(self, source: Object, node: Node, out: Out) -> None:
        children = node.children
        for name, value in source.items():
            known = children.get(name)
            if known is None:
                self._unknown(name, value, node, out)
            elif isinstance(known, Field):
                plain = known.plain
                if (
                    plain is not None
                    and value.__class__ is plain.type
                    and (plain.type is str or plain.low <= value <= plain.high)
                ):
                    out.setdefault(plain.column, []).append(value)
                    continue
                if known.direct and value.__class__ in _SCALARS:
                    try:
                        out.setdefault(known.direct, []).append(known.scalar(value))
                        continue
                    except (ValueError, TypeError, OverflowError):
                        pass  # said properly below
                if value is not None or known.null_value is not None:
                    self.field(value, known, out)
            else:
                self._inner(value, known, out)

    def field(self, value: Json, known: Field, out: Out) -> None:
        if isinstance(value, list) and known.kind not in ("geo_point", "dense_vector", "knn_vector", "completion"):
            for one in value:
                if one is not None or known.null_value is not None:
                    self.field(one, known, out)
            return
        if known.kind == "geo_point" and isinstance(value, list) and value and not isinstance(value[0], int | float):
            for one in value:
                self.field(one, known, out)
            return
        if value is None:
            value = known.null_value
        try:
            self._put(value, known, out)
        except (ValueError, TypeError, OverflowError, KeyError) as error:
            if known.params.get("ignore_malformed") in (True, "true"):
                self._parsed.ignored.append(known.path)
                out.setdefault(FIELDS, []).append(f"_ignored:{known.path}")
            else:
                raise self._malformed(known, value, error) from error
        for child in known.multi:
            try:
                self._put(value, child, out)
            except (ValueError, TypeError, OverflowError) as error:
                if child.params.get("ignore_malformed") not in (True, "true"):
                    raise self._malformed(child, value, error) from error
        self.copies += [(target, value) for target in known.copy_to]

    def _put(self, value: Json, known: Field, out: Out) -> None:
        kind = known.kind
        if kind in {"keyword", "wildcard"}:
            above = known.params.get("ignore_above")
            if above is not None and isinstance(value, str) and len(value) > int(above):
                self._parsed.ignored.append(known.path)
                out.setdefault(FIELDS, []).append(f"_ignored:{known.path}")
                return
        elif kind in _SPECIAL:
            _SPECIAL[kind](known, value, out)
            return
        family = known.family
        if family == "geo":
            latitude, longitude = known.scalar(value)
            out.setdefault(known.columns[0].name, []).append(latitude)
            out.setdefault(known.columns[1].name, []).append(longitude)
            return
        if family == "range":
            _put_range(known, value, out)
            return
        column = known.scalar(value)
        if known.columns:
            out.setdefault(known.columns[0].name, []).append(column)
        if family in ("text", "stored"):
            out.setdefault(FIELDS, []).append(known.path)

    def _inner(self, value: Json, node: Node, out: Out) -> None:
        if value is None or not node.is_enabled:
            return
        if isinstance(value, list):
            for one in value:
                self._inner(one, node, out)
            return
        if not isinstance(value, dict):
            raise self._failed(
                node.path.rpartition(".")[2],
                (
                    f"object mapping for [{node.path}] tried to parse field [{node.path.rpartition('.')[2]}] as "
                    "object, but found a concrete value"
                ),
            )
        if node.nested == node.path:
            inner: Out = {}
            self._parsed.children.append((node.path, inner))
            if len(self._parsed.children) > ARRAY_MAX:
                raise failure(
                    400,
                    "illegal_argument_exception",
                    (
                        f"The number of nested documents has exceeded the allowed limit of [{ARRAY_MAX}]. This "
                        "limit can be set by changing the [index.mapping.nested_objects.limit] index level "
                        "setting."
                    ),
                )
            self.object(value, node, inner)
            for name, values in inner.items():
                if name == FIELDS:
                    out.setdefault(FIELDS, []).extend(values)
        else:
            self.object(value, node, out)

    def _unknown(self, name: str, value: Json, node: Node, out: Out) -> None:
        if not name or name.startswith(".") or name.endswith(".") or ".." in name:
            if not name.strip("."):
                raise self._failed(
                    name,
                    "field name cannot be an empty string" if not name else "field name cannot contain only whitespace",
                )
            raise self._failed(
                name, f"field name starting or ending with a [.] makes object resolution ambiguous: [{name}]"
            )
        if "." in name:
            head, _, tail = name.partition(".")
            known = node.children.get(head)
            if isinstance(known, Field):
                if value is None:
                    return
                if known.kind in ("flattened", "flat_object"):
                    self.field({tail: value}, known, out)
                    return
                raise self._failed(
                    name,
                    (
                        f"object mapping for [{known.path}] tried to parse field [{name}] as object, but found a "
                        "concrete value"
                    ),
                )
            self.object({head: {tail: value}}, node, out)
            return
        if node.dynamic.startswith("strict"):
            within = node.path or "_doc"
            where = _place_of(self._raw, name)
            raise failure(
                400,
                "strict_dynamic_mapping_exception",
                f"[{where}] mapping set to strict, dynamic introduction of [{name}] within [{within}] is not allowed",
            )
        if node.dynamic not in ("true", "runtime"):
            return
        path = f"{node.path}.{name}" if node.path else name
        if path in self._parser._mapping.aliases:
            raise self._failed(name, f"Cannot write to a field alias [{path}].")
        self._parser.learn(path, value, self._parsed)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and self._parsed.added.get(path, {}).get("type", "object") in ("object", "nested"):
                self.object(one, Node(path, node.dynamic, node.nested, True), {})

    def _malformed(self, known: Field, value: Json, error: Exception) -> MaruError:
        kind = "number_format_exception" if "For input string" in str(error) else "illegal_argument_exception"
        name = known.path.rpartition(".")[2] if known.source == known.path else known.source.rpartition(".")[2]
        if isinstance(error, DateError):
            cause: Object = {
                "type": "illegal_argument_exception",
                "reason": str(error),
                "caused_by": {
                    "type": "date_time_parse_exception",
                    "reason": "Failed to parse with all enclosed parsers",
                },
            }
        else:
            cause = {"type": kind, "reason": str(error)}
        preview = f"{value}" if not isinstance(value, dict | list) else _preview(value)
        reason = (
            f"failed to parse field [{known.path}] of type [{known.kind}] in document with id '{self._id}'. "
            f"Preview of field's value: '{as_text(value) if not isinstance(value, dict | list) else preview}'"
        )
        return self._failed(name, reason, cause)

    def _failed(self, name: str, reason: str, cause: Object | None = None) -> MaruError:
        facts = {"caused_by": cause} if cause else {}
        return failure(
            400, "document_parsing_exception", f"[{_place_of(self._raw, name, is_value=True)}] {reason}", **facts
        )


def _preview(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={_preview(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_preview(one) for one in value) + "]"
    return as_text(value)


def _place_of(raw: bytes, name: str, *, is_value: bool = False) -> str:
    """line:column of a member in the text of a document, as the parser counts them."""
    needle = b'"' + name.encode() + b'"'
    at = raw.find(needle)
    if at < 0:
        return "1:1"
    if is_value:
        colon = raw.find(b":", at + len(needle))
        at = colon + 1 if colon >= 0 else at
        while at < len(raw) and raw[at] in b" \t\r\n":
            at += 1
    before = raw[:at]
    return f"{before.count(10) + 1}:{at - (before.rfind(10) + 1) + 1}"


def _fits(template: Object, kind: str, name: str, path: str) -> bool:
    want = template.get("match_mapping_type")
    if want is not None and want != "*" and kind not in ([want] if isinstance(want, str) else want):
        return False
    is_regex = template.get("match_pattern") == "regex"

    def matches(patterns: Json, text: str) -> bool:
        for pattern in patterns if isinstance(patterns, list) else [patterns]:
            if re.fullmatch(pattern, text) if is_regex else fnmatchcase(text, pattern):
                return True
        return False

    if "match" in template and not matches(template["match"], name):
        return False
    if "unmatch" in template and matches(template["unmatch"], name):
        return False
    if "path_match" in template and not any(fnmatchcase(path, one) for one in _many(template["path_match"])):
        return False
    return not ("path_unmatch" in template and any(fnmatchcase(path, one) for one in _many(template["path_unmatch"])))


def _many(value: Json) -> list[str]:
    return value if isinstance(value, list) else [value]


def _filled(template: Object, name: str, default: Object) -> Object:
    kind = str(default["type"])

    def fill(value: Json) -> Json:
        if isinstance(value, str):
            return value.replace("{name}", name).replace("{dynamic_type}", kind)
        if isinstance(value, dict):
            return {key: fill(one) for key, one in value.items()}
        return [fill(one) for one in value] if isinstance(value, list) else value

    filled: Object = fill(template)
    if "type" not in filled:
        filled = {**default, **filled} if kind != "text" or not filled else {"type": kind, **filled}
    return filled


def _put_flattened(known: Field, value: Json, out: Out) -> None:
    if not isinstance(value, dict):
        raise ValueError(
            f"Failed to parse object: expecting token of type [START_OBJECT] but found [{token_of(value)}]"
        )
    values, keyed = known.columns

    def walk(inner: Json, path: str) -> None:
        if isinstance(inner, dict):
            for name, one in inner.items():
                walk(one, f"{path}.{name}" if path else name)
        elif isinstance(inner, list):
            for one in inner:
                walk(one, path)
        elif inner is not None:
            out.setdefault(values.name, []).append(as_text(inner))
            out.setdefault(keyed.name, []).append(f"{path}\0{as_text(inner)}")

    walk(value, "")


def _put_join(known: Field, value: Json, out: Out) -> None:
    names, parents = known.columns
    if isinstance(value, dict):
        out.setdefault(names.name, []).append(str(value.get("name")))
        if "parent" in value:
            out.setdefault(parents.name, []).append(str(value["parent"]))
    else:
        out.setdefault(names.name, []).append(str(value))


def _put_completion(known: Field, value: Json, out: Out) -> None:
    given = value if isinstance(value, list) else [value]
    for one in given:
        inputs = one.get("input", []) if isinstance(one, dict) else one
        for text in inputs if isinstance(inputs, list) else [inputs]:
            out.setdefault(known.column, []).append(known.keyed(str(text)))


def _put_range(known: Field, value: Json, out: Out) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"error parsing field [{known.path}], expected an object but got {known.path}")
    step = 0.0 if known.kind in ("float_range", "double_range") else 1
    low, high = bounds_of_range(known, value)
    out.setdefault(known.columns[0].name, []).append(low + step if "gt" in value and step else low)
    out.setdefault(known.columns[1].name, []).append(high - step if "lt" in value and step else high)


def bounds_of_range(known: Field, value: Object) -> tuple[Json, Json]:
    """(low, high) of a range field's value, open ends filled. Raises ValueError."""
    if known.kind == "date_range":
        low, high = value.get("gte", value.get("gt")), value.get("lte", value.get("lt"))
        return (
            known.format.parse(as_text(low)) if low is not None else -(1 << 62),
            known.format.parse(as_text(high), round_up="lte" in value) if high is not None else 1 << 62,
        )
    if known.kind == "ip_range":
        raise ValueError("ip_range is not supported by Maru")
    number = float if known.kind in ("float_range", "double_range") else int
    low, high = value.get("gte", value.get("gt")), value.get("lte", value.get("lt"))
    return (
        number(low) if low is not None else (-1.7e308 if number is float else -(1 << 62)),
        number(high) if high is not None else (1.7e308 if number is float else 1 << 62),
    )


_SPECIAL = {
    "flattened": _put_flattened,
    "flat_object": _put_flattened,
    "join": _put_join,
    "completion": _put_completion,
}


def as_properties(added: Object) -> Object:
    """Definitions by path as a mapping's properties."""
    properties: Object = {}
    for path in sorted(added):
        parts = path.split(".")
        level = properties
        for part in parts[:-1]:
            level = level.setdefault(part, {}).setdefault("properties", {})
        definition = dict(added[path])
        if definition.get("type") == "object":
            definition.pop("type")
            definition.setdefault("properties", {})
        have = level.get(parts[-1])
        level[parts[-1]] = {**definition, **have} if have else definition
    return {"properties": properties}
