"""A field: its type, its parameters, and how a document's values become what its columns hold.

Source: Elasticsearch reference, "Field data types" and "Mapping parameters".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from maru.components.search.model.analysis.analyzers import Analyzer, Analyzers
from maru.components.search.model.analysis.spacing import spaced, spaced_tokens
from maru.components.search.model.mapping import values
from maru.components.search.model.mapping.columns import (
    ADDRESS,
    DECIMAL,
    KEYWORD,
    TEXT,
    UNSIGNED,
    WHOLE,
    Column,
    column_name,
)
from maru.wire.elastic.dates import DEFAULT, Format
from maru.wire.elastic.json import Json, Object, as_text

TEXTS = ("text", "match_only_text", "search_as_you_type", "annotated_text")
KEYWORDS = ("keyword", "constant_keyword", "wildcard", "version", "flattened", "flat_object", "join", "completion")
WHOLES = ("long", "integer", "short", "byte", "token_count", "murmur3")
DECIMALS = ("double", "float", "half_float", "scaled_float", "rank_feature")
DATES = ("date", "date_nanos")
RANGES = ("integer_range", "long_range", "float_range", "double_range", "date_range", "ip_range")
STORED_ONLY = (
    "binary",
    "dense_vector",
    "knn_vector",
    "geo_shape",
    "rank_features",
    "sparse_vector",
    "percolator",
    "shape",
    "point",
    "semantic_text",
    "histogram",
    "aggregate_metric_double",
)
OBJECTS = ("object", "nested")
_MILLIS_LOW, _MILLIS_HIGH = 10**9, 253402300799999  # fewer digits are a year, more are past the year 9999
TYPES = {
    *TEXTS,
    *KEYWORDS,
    *WHOLES,
    *DECIMALS,
    *DATES,
    *RANGES,
    *STORED_ONLY,
    *OBJECTS,
    "unsigned_long",
    "boolean",
    "ip",
    "geo_point",
    "alias",
}
NUMERIC = {*WHOLES, *DECIMALS, "unsigned_long"}

Out = dict[str, list[Json]]
"""What a document gives each column by name."""


@dataclass(frozen=True, slots=True)
class Plain:
    """Values of one JSON `type`, within bounds, that `column` holds as they are."""

    type: object  # a class
    column: str
    low: float = 0
    high: float = 0


@dataclass(frozen=True, slots=True)
class Field:
    """One field or multi-field. path: dotted. source: where its value stands in a document.

    nested: the innermost nested object that it lies in, "" for none. analyzer, search_analyzer: of texts.
    """

    path: str
    kind: str
    params: Object
    source: str
    nested: str = ""
    columns: tuple[Column, ...] = ()
    analyzer: Analyzer | None = None
    search_analyzer: Analyzer | None = None
    quote_analyzer: Analyzer | None = None
    normalizer: Analyzer | None = None
    format: Format = field(default_factory=lambda: Format(DEFAULT))
    null_value: Json = None
    multi: tuple[Field, ...] = ()
    copy_to: tuple[str, ...] = ()
    family: str = ""
    direct: str = ""  # the one column that a scalar goes to as it is converted; "" where there is more to do
    plain: Plain | None = None  # the values that go to its column as they are

    @property
    def column(self) -> str:
        """The name of its first column; "" if it has none."""
        return self.columns[0].name if self.columns else ""

    @property
    def is_text(self) -> bool:
        return self.kind in TEXTS

    @property
    def is_indexed(self) -> bool:
        """Whether it can be searched for."""
        return bool(self.columns) and self.params.get("index", True) not in (False, "false")

    @property
    def has_values(self) -> bool:
        """Whether it can be sorted by and aggregated on."""
        return self.params.get("doc_values", True) not in (False, "false") and not self.is_text

    def scalar(self, value: Json) -> Json:
        """One value as its (first) column holds it. Raises ValueError."""
        return _CONVERT[self.family or _family(self.kind)](self, value)

    def keyed(self, value: str) -> str:
        """A keyword in its normalised form."""
        if self.normalizer is None:
            return value
        return "".join(token.text for token in self.normalizer.tokens(value))

    def shown(self, value: Json) -> Json:
        """A column's value as sort values and buckets show it."""
        return value


def make_field(path: str, params: Object, source: str, nested: str, analyzers: Analyzers) -> Field:
    """The field that `params` of a mapping define. Raises ValueError in the server's words."""
    kind = params.get("type", "object")
    family = _family(kind)
    analyzer = search = quote = normalizer = None
    if family == "text":
        analyzer = analyzers.named(str(params.get("analyzer", "default")), path)
        search = analyzers.named(str(params.get("search_analyzer") or params.get("analyzer") or "default_search"), path)
        quote = (
            analyzers.named(str(params["search_quote_analyzer"]), path) if "search_quote_analyzer" in params else search
        )
    if params.get("normalizer") and kind == "keyword":
        normalizer = analyzers.normalizer(str(params["normalizer"]), path)
    if kind == "completion":
        normalizer = analyzers.normalizer("lowercase", path)
    copies = params.get("copy_to", [])
    fields = tuple(
        make_field(f"{path}.{name}", child, source, nested, analyzers)
        for name, child in (params.get("fields") or {}).items()
    )
    made = Field(
        path=path,
        kind=kind,
        params=params,
        source=source,
        nested=nested,
        columns=_columns(path, kind),
        analyzer=analyzer,
        search_analyzer=search,
        quote_analyzer=quote,
        normalizer=normalizer,
        format=Format(
            str(
                params.get(
                    "format", DEFAULT if kind != "date_nanos" else "strict_date_optional_time_nanos||epoch_millis"
                )
            )
        ),
        null_value=params.get("null_value"),
        multi=fields,
        copy_to=(copies,) if isinstance(copies, str) else tuple(copies),
        family=family,
        direct=column_name(path) if _is_direct(kind, family, params) and not fields and not copies else "",
    )
    return made if fields or copies else replace(made, plain=_plain(made))


def _plain(at: Field) -> Plain | None:
    """What `scalar` would not change."""
    if not at.direct:
        return None
    if at.kind == "keyword" and at.normalizer is None:
        return Plain(str, at.direct)
    if at.kind in values.BOUNDS:
        bits = values.BOUNDS[at.kind]
        return Plain(int, at.direct, -(1 << bits - 1), (1 << bits - 1) - 1)
    if at.kind in ("float", "double"):
        high = 3.4028235e38 if at.kind == "float" else 1.7976931348623157e308
        return Plain(float, at.direct, -high, high)
    if at.kind == "date" and at.format.spelled == DEFAULT:
        return Plain(int, at.direct, _MILLIS_LOW, _MILLIS_HIGH)
    return None


def _is_direct(kind: str, family: str, params: Object) -> bool:
    if family == "keyword":
        return kind == "keyword" and "ignore_above" not in params
    return family in ("whole", "decimal", "date", "boolean", "ip", "unsigned")


def _columns(path: str, kind: str) -> tuple[Column, ...]:
    name = column_name(path)
    family = _family(kind)
    if family == "text":
        return (Column(name, TEXT),)
    if kind in ("flattened", "flat_object"):
        return (Column(name, KEYWORD), Column(column_name(f"{path}#keyed"), KEYWORD))
    if kind == "join":
        return (Column(name, KEYWORD), Column(column_name(f"{path}#parent"), KEYWORD))
    if family == "geo":
        return (Column(column_name(f"{path}#lat"), DECIMAL), Column(column_name(f"{path}#lon"), DECIMAL))
    if family == "range":
        inner = DECIMAL if kind in ("float_range", "double_range") else ADDRESS if kind == "ip_range" else WHOLE
        return (Column(column_name(f"{path}#gte"), inner), Column(column_name(f"{path}#lte"), inner))
    kinds = {
        "keyword": KEYWORD,
        "whole": WHOLE,
        "decimal": DECIMAL,
        "date": WHOLE,
        "boolean": WHOLE,
        "ip": ADDRESS,
        "unsigned": UNSIGNED,
    }
    return (Column(name, kinds[family], is_indexed=family not in ("date", "decimal")),) if family in kinds else ()


_FAMILIES = {
    **dict.fromkeys(TEXTS, "text"),
    **dict.fromkeys(KEYWORDS, "keyword"),
    **dict.fromkeys(WHOLES, "whole"),
    **dict.fromkeys(DECIMALS, "decimal"),
    **dict.fromkeys(DATES, "date"),
    **dict.fromkeys(RANGES, "range"),
    **dict.fromkeys(STORED_ONLY, "stored"),
    **dict.fromkeys(OBJECTS, "object"),
    "unsigned_long": "unsigned",
    "boolean": "boolean",
    "ip": "ip",
    "geo_point": "geo",
    "alias": "alias",
}


def _family(kind: str) -> str:
    return _FAMILIES.get(kind, "stored")


def family_of(kind: str) -> str:
    """text, keyword, whole, decimal, date, range, stored, object, unsigned, boolean, ip, geo or alias."""
    return _family(kind)


def _keyword(at: Field, value: Json) -> str:
    if isinstance(value, dict | list):
        raise ValueError(f"Can't get text on a {'START_OBJECT' if isinstance(value, dict) else 'START_ARRAY'}")
    text = as_text(value)
    if at.kind == "constant_keyword":
        want = at.params.get("value")
        if want is not None and text != want:
            raise ValueError(
                f"[constant_keyword] field [{at.path}] only accepts values that are equal to the value defined in "
                f"the mappings [{want}], but got [{text}]"
            )
    return at.keyed(text)


def _text(at: Field, value: Json) -> Json:
    if isinstance(value, dict | list):
        raise ValueError(f"Can't get text on a {'START_OBJECT' if isinstance(value, dict) else 'START_ARRAY'}")
    assert at.analyzer is not None
    text = as_text(value)
    if at.analyzer.is_standard:
        return spaced(text)
    tokens = at.analyzer.tokens(text)
    words = spaced_tokens(tokens)
    if words is not None:
        return words
    told = [
        {"offset_from": 0, "offset_to": 0, "position": token.position, "text": token.text, "position_length": 1}
        for token in tokens
    ]
    return {"text": "", "tokens": told}


def _date(at: Field, value: Json) -> int:
    if isinstance(value, (bool, dict | list)):
        raise ValueError(f"failed to parse date field [{as_text(value)}] with format [{at.format.spelled}]")
    if isinstance(value, float):
        value = int(value) if "epoch_second" not in at.format.spelled else value
    return at.format.parse(as_text(value))


def _decimal(at: Field, value: Json) -> float:
    number = values.decimal(value, at.kind)
    if at.kind == "scaled_float":
        factor = float(at.params.get("scaling_factor", 1))
        return round(number * factor) / factor
    return number


def _whole(at: Field, value: Json) -> int:
    if at.kind == "token_count":
        return len(str(value).split())
    if at.kind == "murmur3":
        return hash(as_text(value)) & 0x7FFFFFFF
    return values.whole(value, at.kind, coerce=at.params.get("coerce", True) not in (False, "false"))


def _binary(at: Field, value: Json) -> None:
    if at.kind == "binary":
        try:
            base64.b64decode(str(value), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"Failed to decode base64: {error}") from error
    if at.kind == "dense_vector" and "dims" in at.params and not isinstance(value, int | float | str):
        raise ValueError("a vector holds numbers")


_CONVERT: dict[str, Callable[[Field, Json], Json]] = {
    "keyword": _keyword,
    "text": _text,
    "date": _date,
    "decimal": _decimal,
    "whole": _whole,
    "unsigned": lambda at, value: values.whole(value, "unsigned_long"),
    "boolean": lambda at, value: values.boolean(value),
    "ip": lambda at, value: values.address(value),
    "stored": _binary,
    "geo": lambda at, value: values.point(value),
}
