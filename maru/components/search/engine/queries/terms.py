"""Term-level queries: values as they stand in the index.

Source: Elasticsearch reference, "Term-level queries".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from maru.components.search.engine.queries.context import (
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
)
from maru.components.search.engine.queries.spans import (
    contains,
    date_bound,
    in_network,
    is_fraction,
    must_be_indexed,
)
from maru.components.search.errors import illegal, parsing
from maru.components.search.model.mapping.columns import FIELDS, ID, ROUTING, SEQ
from maru.components.search.model.mapping.extract import values_at
from maru.components.search.model.mapping.fields import Field, family_of
from maru.core.errors import MaruError
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
    must_be_indexed(known)
    family = family_of(known.kind)
    if family == "geo":
        raise shard_failure(
            f"Geometry fields do not support exact searching, use dedicated geometry queries instead: [{name}]"
        )
    if family == "range":
        return contains(context, known, value)
    if family == "ip" and isinstance(value, str) and "/" in value:
        return in_network(context, known, value)
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
    if family == "whole" and is_fraction(value):
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
            f"The number of terms [{len(given)}] used in the Terms Query request has exceeded the allowed "
            f"maximum of [{TERMS_MAX}]. "
            "This maximum can be set by changing the [index.max_terms_count] index level setting.",
            "illegal_argument_exception",
        )
    if any(value is None for value in given):
        raise illegal("No value specified for terms query")
    known = field_of(context, name)
    if known is not None and known.kind != "keyed" and family_of(known.kind) in ("text", "keyword"):
        must_be_indexed(known)
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
            (
                f"The length of regex [{len(as_text(value))}] used in the Regexp Query request has exceeded the "
                "allowed maximum of [1000]. This maximum can be set by changing the [index.max_regex_length] "
                "index level setting."
            ),
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
            f"Can only use {query} queries on keyword, text and wildcard fields - not on [{name}] which is of "
            f"type [{known.kind}]"
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
