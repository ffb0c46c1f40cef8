"""Term-level queries: values as they stand in the index.

Source: Elasticsearch reference, "Term-level queries".
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from maru.components.search.engine.queries.context import (
    CLAUSES_MAX,
    Context,
    boost_of,
    edits,
    escape_pattern,
    field_of,
    one_field,
    options,
    shard_failure,
    value_of,
    wildcard_pattern,
)  # fmt: skip
from maru.components.search.errors import illegal, parsing
from maru.components.search.model.mapping.columns import FIELDS, ID, ROUTING, SEQ
from maru.components.search.model.mapping.extract import values_at
from maru.components.search.model.mapping.fields import NUMERIC, Field, family_of
from maru.components.search.model.mapping.parsing import bounds_of_range
from maru.core.errors import MaruError
from maru.wire.elastic.dates import DateError, Format, math, zone_of
from maru.wire.elastic.json import Json, as_text

if TYPE_CHECKING:
    import tantivy

TERMS_MAX = 65_536


def term(context: Context, body: Json) -> tantivy.Query:
    """`{"field": value}` or `{"field": {"value": ...}}`."""
    name, given = one_field(body, "term")
    if isinstance(given, list):
        raise parsing("[term] query does not support array of values")
    if isinstance(given, dict):
        options(given, "term", ("value", "case_insensitive", "term"))
        value = given.get("value", given.get("term"))
    else:
        value = given
    if value is None:
        raise illegal("value cannot be null")
    folds = isinstance(given, dict) and given.get("case_insensitive") in (True, "true")
    boost = boost_of(given) * boost_of(body)
    return context.boosted(value_query(context, name, value, folds=folds), boost)


def value_query(context: Context, name: str, value: Json, *, folds: bool = False) -> tantivy.Query:
    """Documents whose field has exactly `value`."""
    if name in ("_id", "_index", "_routing", "_seq_no", "_type", "_ignored"):
        return _metadata(context, name, value)
    known = field_of(context, name)
    if known is None:
        return context.nothing()
    if known.kind == "keyed":
        return context.rare_term(known.params["column"], f"{known.params['key']}\0{as_text(value)}")
    _must_be_indexed(known)
    family = family_of(known.kind)
    if family == "geo":
        raise shard_failure(
            f"Geometry fields do not support exact searching, use dedicated geometry queries instead: [{name}]"
        )
    if family == "range":
        return _contains(context, known, value)
    if family == "ip" and isinstance(value, str) and "/" in value:
        return _network(context, known, value)
    if family in ("text", "keyword"):
        text = as_text(value)
        text = known.keyed(text)
        if folds:
            return context.regexp(known.column, f"(?i:{escape_pattern(text)})")
        if family == "keyword":
            return context.rare_term(known.column, text)
        return context.term(known.column, text)
    if family == "date" and isinstance(value, str):
        low, high = date_bound(context, known, value), date_bound(context, known, value, round_up=True)
        return context.between(known.column, low, high)
    if family == "whole" and _is_fraction(value):
        return context.nothing()
    try:
        return context.constant(context.term(known.column, value_of(known, value)))
    except MaruError as error:
        if "out of range" in error.what:
            return context.nothing()
        raise


def terms(context: Context, body: Json) -> tantivy.Query:
    """Any of a list, or of the values of a field of another document."""
    name, given = one_field(body, "terms")
    boost = boost_of(body)
    if isinstance(given, dict):
        source = context.other(str(given.get("index", "")), str(given.get("id", "")))
        given = values_at(source, str(given.get("path", ""))) if source is not None else []
    if not isinstance(given, list):
        raise parsing("[terms] query requires an array of terms or a terms lookup")
    if len(given) > TERMS_MAX:
        raise shard_failure(
            f"The number of terms [{len(given)}] used in the Terms Query request has exceeded the allowed maximum of [{TERMS_MAX}]. "
            "This maximum can be set by changing the [index.max_terms_count] index level setting.",
            "illegal_argument_exception",
        )
    if any(value is None for value in given):
        raise illegal("No value specified for terms query")
    known = field_of(context, name)
    if known is not None and known.kind != "keyed" and family_of(known.kind) in ("text", "keyword"):
        _must_be_indexed(known)
        query = context.terms(known.column, [known.keyed(as_text(value)) for value in given])
    elif name == "_id":
        query = context.terms(ID, [as_text(value) for value in given])
    else:
        parts = [context.constant(value_query(context, name, value)) for value in given]
        query = context.constant(context.either(parts)) if parts else context.nothing()
    return context.boosted(query, boost)


def terms_set(context: Context, body: Json) -> tantivy.Query:
    """Enough of a list, as a field of each document says."""
    name, given = one_field(body, "terms_set")
    options(
        given,
        "terms_set",
        ("terms", "minimum_should_match_field", "minimum_should_match_script", "minimum_should_match"),
    )
    values = given.get("terms") or []
    parts = [value_query(context, name, value) for value in values]
    if "minimum_should_match" in given:
        return context.either(parts, int(given["minimum_should_match"]))
    if "minimum_should_match_field" not in given:
        raise illegal("No minimum should match has been specified")
    known = context.mapping.find(str(given["minimum_should_match_field"]))
    if known is None:
        return context.nothing()
    hits: dict[int, float] = {}
    for least in range(1, len(parts) + 1):
        for row in context.rows(
            context.both(context.either(parts, least), context.constant(context.term(known.column, least), 0.0))
        ):
            hits[row.seq] = row.score
    return context.chosen(hits.items())


def range_query(context: Context, body: Json) -> tantivy.Query:
    """gt, gte, lt, lte (or from, to), with date math, formats and time zones."""
    name, given = one_field(body, "range")
    if not isinstance(given, dict):
        raise parsing("[range] query malformed, no start_object after query name")
    options(
        given,
        "range",
        ("gt", "gte", "lt", "lte", "from", "to", "include_lower", "include_upper", "format", "time_zone", "relation"),
    )
    low, has_low = (given["gt"], False) if given.get("gt") is not None else (given.get("gte", given.get("from")), True)
    high, has_high = (given["lt"], False) if given.get("lt") is not None else (given.get("lte", given.get("to")), True)
    has_low = has_low and given.get("include_lower", True) is not False
    has_high = has_high and given.get("include_upper", True) is not False
    zone = str(given.get("time_zone", "UTC"))
    query = between(
        context,
        name,
        (low, high, has_low, has_high),
        (str(given.get("format", "")), zone, str(given.get("relation", "intersects"))),
    )
    return context.boosted(query, boost_of(given) * boost_of(body))


def between(
    context: Context,
    name: str,
    bounds: tuple[Json, Json, bool, bool],
    shape: tuple[str, str, str] = ("", "UTC", "intersects"),
) -> tantivy.Query:
    """bounds: low, high (None: open), and whether each belongs to it. shape: format, time zone, relation."""
    low, high, has_low, has_high = bounds
    if name == "_seq_no":
        return context.between(SEQ, low, high, has_low=has_low, has_high=has_high)
    known = field_of(context, name)
    if known is None:
        return context.nothing()
    family = family_of(known.kind)
    if family in ("text", "keyword") or known.kind in ("keyed", "flattened"):
        return _between_words(context, known, bounds)
    _must_be_indexed(known)
    if family == "range":
        return _overlaps(context, known, bounds, shape[2])
    if family == "date":
        zone = zone_of(shape[1])
        form = Format(shape[0]) if shape[0] else known.format
        try:
            start = math(as_text(low), context.now, form, round_up=not has_low, zone=zone) if low is not None else None
            end = math(as_text(high), context.now, form, round_up=has_high, zone=zone) if high is not None else None
        except DateError as error:
            raise _bad_date(error) from error
        return context.between(known.column, start, end, has_low=has_low, has_high=has_high)
    if family == "ip":
        first = value_of(known, low) if low is not None else None
        last = value_of(known, high) if high is not None else None
        return context.between(known.column, first, last, has_low=has_low, has_high=has_high)
    if family in {"whole", "unsigned"}:
        return _between_whole(context, known, bounds)
    if family in ("decimal", "boolean"):
        first = value_of(known, low) if low is not None else None
        last = value_of(known, high) if high is not None else None
        return context.between(known.column, first, last, has_low=has_low, has_high=has_high)
    raise shard_failure(
        f"Field [{name}] of type [{known.kind}] does not support range queries", "illegal_argument_exception"
    )


def date_bound(context: Context, known: Field, value: Json, *, round_up: bool = False) -> int:
    """A date or date math as milliseconds. Raises the shard's failure."""
    try:
        return math(as_text(value), context.now, known.format, round_up=round_up)
    except DateError as error:
        raise _bad_date(error) from error


def exists(context: Context, body: Json) -> tantivy.Query:
    """A field, or any below an object."""
    if not isinstance(body, dict) or "field" not in body:
        raise (
            illegal("[exists] must be provided with a [field]")
            if isinstance(body, dict)
            else parsing("[exists] query malformed, no start_object after query name")
        )
    options(body, "exists", ("field",))
    name = str(body["field"])
    if name in ("_id", "_index", "_source", "_seq_no", "_version"):
        return context.everything(boost_of(body))
    if name == "_ignored":
        return context.regexp(FIELDS, "_ignored:.*")
    if name == "_routing":
        return context.constant(context.kit.exists_query(ROUTING))
    known = field_of(context, name)
    if known is not None:
        if known.kind == "keyed":
            return context.regexp(
                known.params["column"], escape_pattern(known.params["key"]) + "(\\.[^\\x00]*)?\\x00(?s:.)*"
            )
        return context.boosted(context.exists(known), boost_of(body))
    below = [field for path, field in context.mapping.matching(name if "*" in name else f"{name}.*")]
    return (
        context.constant(context.either([context.exists(field) for field in below]), boost_of(body))
        if below
        else context.nothing()
    )


def ids(context: Context, body: Json) -> tantivy.Query:
    """Documents by _id."""
    if not isinstance(body, dict) or "values" not in body:
        raise (
            illegal("[ids] requires providing a [values] array of ids")
            if isinstance(body, dict)
            else parsing("[ids] query malformed")
        )
    options(body, "ids", ("values", "type"))
    values = body["values"] if isinstance(body["values"], list) else [body["values"]]
    return context.boosted(context.terms(ID, [as_text(value) for value in values]), boost_of(body))


def prefix(context: Context, body: Json) -> tantivy.Query:
    """Terms that begin so."""
    name, given = one_field(body, "prefix")
    if isinstance(given, dict):
        options(given, "prefix", ("value", "prefix", "rewrite", "case_insensitive"))
    value = given.get("value", given.get("prefix")) if isinstance(given, dict) else given
    if value is None:
        raise illegal("value cannot be null")
    folds = isinstance(given, dict) and given.get("case_insensitive") in (True, "true")
    pattern = escape_pattern(_of_words(context, name, as_text(value), "prefix")) + "(?s:.)*"
    return _pattern(context, name, f"(?i:{pattern})" if folds else pattern, "prefix", boost_of(given))


def wildcard(context: Context, body: Json) -> tantivy.Query:
    """* and ?."""
    name, given = one_field(body, "wildcard")
    if isinstance(given, dict):
        options(given, "wildcard", ("value", "wildcard", "rewrite", "case_insensitive"))
    value = given.get("value", given.get("wildcard")) if isinstance(given, dict) else given
    if value is None:
        raise illegal("value cannot be null")
    folds = isinstance(given, dict) and given.get("case_insensitive") in (True, "true")
    return _pattern(
        context,
        name,
        wildcard_pattern(_of_words(context, name, as_text(value), "wildcard"), folds=folds),
        "wildcard",
        boost_of(given),
    )


def regexp(context: Context, body: Json) -> tantivy.Query:
    """Lucene's regular expressions, anchored at both ends."""
    name, given = one_field(body, "regexp")
    if isinstance(given, dict):
        options(
            given, "regexp", ("value", "flags", "flags_value", "max_determinized_states", "rewrite", "case_insensitive")
        )
    value = given.get("value") if isinstance(given, dict) else given
    if value is None:
        raise illegal("value cannot be null")
    if len(as_text(value)) > 1000:
        raise shard_failure(
            f"The length of regex [{len(as_text(value))}] used in the Regexp Query request has exceeded the allowed maximum of [1000]. This maximum can be set by changing the [index.max_regex_length] index level setting.",
            "illegal_argument_exception",
        )
    pattern = lucene_expression(as_text(value))
    folds = isinstance(given, dict) and given.get("case_insensitive") in (True, "true")
    return _pattern(context, name, f"(?i:{pattern})" if folds else pattern, "regexp", boost_of(given))


def fuzzy(context: Context, body: Json) -> tantivy.Query:
    """Terms within some edits."""
    name, given = one_field(body, "fuzzy")
    if isinstance(given, dict):
        options(
            given,
            "fuzzy",
            ("value", "term", "fuzziness", "max_expansions", "prefix_length", "transpositions", "rewrite"),
        )
    value = given.get("value", given.get("term")) if isinstance(given, dict) else given
    if value is None:
        raise illegal("value cannot be null")
    known = field_of(context, name)
    if known is None:
        return context.nothing()
    if family_of(known.kind) not in ("text", "keyword"):
        raise shard_failure(
            f"Can only use fuzzy queries on keyword and text fields - not on [{name}] which is of type [{known.kind}]",
            "illegal_argument_exception",
        )
    params = given if isinstance(given, dict) else {}
    query = fuzzy_term(context, known, as_text(value), params)
    return context.boosted(query, boost_of(given))


def fuzzy_term(context: Context, known: Field, text: str, params: Json) -> tantivy.Query:
    """One term with fuzziness, prefix_length and transpositions of `params`."""
    distance = edits(params.get("fuzziness", "AUTO"), len(text))
    if not context.has(known.column):
        return context.nothing()
    if distance == 0:
        return context.term(known.column, text)
    swaps = params.get("transpositions", params.get("fuzzy_transpositions", True)) not in (False, "false")
    query = context.kit.fuzzy_term_query(context.schema, known.column, text, distance, swaps)
    fixed = text[: int(params.get("prefix_length", params.get("fuzzy_prefix_length", 0)))]
    if fixed:
        query = context.both(query, context.constant(context.regexp(known.column, escape_pattern(fixed) + ".*"), 0.0))
    return query


def lucene_expression(text: str) -> str:
    """A Lucene regular expression as one of the index. Raises the shard's failure for what it has no word for."""
    if re.search(r"(?<!\\)[~&<]|(?<!\\)@", re.sub(r"\[[^\]]*\]", "", text)):
        if "<" in text and re.search(r"<\d+-\d+>", text):
            text = re.sub(r"<(\d+)-(\d+)>", _interval, text)
        if "@" in text:
            text = re.sub(r"(?<!\\)@", "(?s:.)*", text)
        if re.search(r"(?<!\\)[~&]", re.sub(r"\[[^\]]*\]", "", text)):
            raise shard_failure(
                "regular expressions with ~ (complement) or & (intersection) are not supported by Maru",
                "illegal_argument_exception",
            )
    out = []
    is_class = False
    at = 0
    while at < len(text):
        letter = text[at]
        if letter == "\\" and at + 1 < len(text):
            following = text[at + 1]
            out.append("\\" + following if not following.isalnum() or following in "dDsSwW" else following)
            at += 2
            continue
        is_class = (letter == "[" or is_class) and letter != "]"
        if letter in "^$" and not is_class:
            out.append("\\" + letter)
        elif letter == '"' and not is_class:
            end = text.find('"', at + 1)
            if end > 0:
                out.append(escape_pattern(text[at + 1 : end]))
                at = end
        else:
            out.append(letter)
        at += 1
    return "".join(out)


def _interval(found: re.Match[str]) -> str:
    low, high = int(found[1]), int(found[2])
    if high - low > 1000:
        raise shard_failure(
            "the numeric interval of a regular expression is too wide for Maru (1000)", "illegal_argument_exception"
        )
    return "(" + "|".join(f"0*{number}" for number in range(low, high + 1)) + ")"


def _of_words(context: Context, name: str, text: str, query: str) -> str:
    known = field_of(context, name)
    if known is not None and known.normalizer is not None:
        return (
            "".join(part if part in "*?" else known.keyed(part) for part in re.split(r"([*?])", text))
            if query == "wildcard"
            else known.keyed(text)
        )
    return text


def _pattern(context: Context, name: str, pattern: str, query: str, boost: float) -> tantivy.Query:
    if name == "_index":
        return context.everything() if re.fullmatch(pattern, context.place.target.name) else context.nothing()
    if name == "_id":
        return context.regexp(ID, pattern)
    known = field_of(context, name)
    if known is None:
        return context.nothing()
    if known.kind == "keyed":
        return context.boosted(
            context.regexp(known.params["column"], escape_pattern(known.params["key"]) + "\\x00" + pattern), boost
        )
    if family_of(known.kind) not in ("text", "keyword"):
        raise shard_failure(
            f"Can only use {query} queries on keyword, text and wildcard fields - not on [{name}] which is of type [{known.kind}]"
        )
    return context.boosted(context.regexp(known.column, pattern), boost)


def _metadata(context: Context, name: str, value: Json) -> tantivy.Query:
    if name == "_id":
        return context.terms(ID, [as_text(value)])
    if name == "_routing":
        return context.terms(ROUTING, [as_text(value)])
    if name == "_ignored":
        return context.terms(FIELDS, [f"_ignored:{as_text(value)}"])
    if name == "_seq_no":
        return context.terms(SEQ, [int(value)])
    if name == "_index":
        return (
            context.everything()
            if re.fullmatch(wildcard_pattern(as_text(value)), context.place.target.name)
            else context.nothing()
        )
    return context.everything()


def _between_words(context: Context, known: Field, bounds: tuple[Json, Json, bool, bool]) -> tantivy.Query:
    low, high, has_low, has_high = bounds
    column, mark = known.column, ""
    if known.kind == "keyed":
        column, mark = known.params["column"], f"{known.params['key']}\0"
    first = None if low is None else known.keyed(as_text(low))
    last = None if high is None else known.keyed(as_text(high))

    def keep(text: str) -> bool:
        text = text[len(mark) :]
        above = first is None or text > first or (has_low and text == first)
        return above and (last is None or text < last or (has_high and text == last))

    words = context.expand(column, keep, mark, CLAUSES_MAX * 16)
    return context.terms(column, words)


def _between_whole(context: Context, known: Field, bounds: tuple[Json, Json, bool, bool]) -> tantivy.Query:
    low, high, has_low, has_high = bounds

    def number(value: Json) -> float | int:
        if isinstance(value, str):
            value_of(known, value if re.fullmatch(r"\s*[+-]?[\d.]+([eE][+-]?\d+)?\s*", value) else value)
            return int(value) if re.fullmatch(r"[+-]?\d+", value.strip()) else float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise shard_failure(f'failed to create query: For input string: "{as_text(value)}"')
        return value

    least, most = (0, (1 << 64) - 1) if known.kind == "unsigned_long" else (-(1 << 63), (1 << 63) - 1)
    first = last = None
    if low is not None:
        given = number(low)
        first = int(given) if given == int(given) else int(given // 1) + 1
        first += 0 if has_low or given != int(given) else 1
        if first > most:
            return context.nothing()
        first = max(first, least)
    if high is not None:
        given = number(high)
        last = int(given // 1)
        last -= 0 if has_high or given != int(given) else 1
        if last < least:
            return context.nothing()
        last = min(last, most)
    if first is not None and last is not None and first > last:
        return context.nothing()
    return context.between(known.column, first, last)


def _contains(context: Context, known: Field, value: Json) -> tantivy.Query:
    try:
        low, high = bounds_of_range(known, {"gte": value, "lte": value})
    except (ValueError, TypeError) as error:
        raise shard_failure(f"failed to create query: {error}") from error
    return context.constant(
        context.both(
            context.between(known.columns[0].name, None, low), context.between(known.columns[1].name, high, None)
        )
    )


def _overlaps(context: Context, known: Field, bounds: tuple[Json, Json, bool, bool], relation: str) -> tantivy.Query:
    low, high, has_low, has_high = bounds
    given = {("gte" if has_low else "gt"): low} if low is not None else {}
    given |= {("lte" if has_high else "lt"): high} if high is not None else {}
    try:
        first, last = bounds_of_range(known, given)
    except (ValueError, TypeError) as error:
        raise shard_failure(f"failed to create query: {error}") from error
    starts, ends = known.columns[0].name, known.columns[1].name
    relation = relation.lower()
    if relation == "within":
        parts = (
            context.between(starts, first, None, has_low=has_low),
            context.between(ends, None, last, has_high=has_high),
        )
    elif relation == "contains":
        parts = (context.between(starts, None, first), context.between(ends, last, None))
    else:
        parts = (
            context.between(starts, None, last, has_high=has_high),
            context.between(ends, first, None, has_low=has_low),
        )
    return context.constant(context.both(*parts))


def _network(context: Context, known: Field, value: str) -> tantivy.Query:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise shard_failure(f"failed to create query: '{value}' is not an IP string literal.") from error
    return context.between(known.column, str(network[0]), str(network[-1]))


def _is_fraction(value: Json) -> bool:
    if isinstance(value, float):
        return not value.is_integer()
    return isinstance(value, str) and bool(re.fullmatch(r"-?\d+\.\d*[1-9]\d*", value))


def _must_be_indexed(known: Field) -> None:
    if not known.is_indexed and not (known.kind in NUMERIC and known.has_values):
        raise shard_failure(
            f"failed to create query: Cannot search on field [{known.path}] since it is not indexed.",
            caused_by={
                "type": "illegal_argument_exception",
                "reason": f"Cannot search on field [{known.path}] since it is not indexed.",
            },
        )


def _bad_date(error: DateError) -> MaruError:
    return shard_failure(
        f"{error}", "parse_exception", caused_by={"type": "illegal_argument_exception", "reason": str(error)}
    )
