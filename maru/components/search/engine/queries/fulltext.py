"""Full text queries: what is asked for is analyzed as the field was.

Source: Elasticsearch reference, "Full text queries".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from maru.components.search.engine.queries import terms
from maru.components.search.engine.queries.context import (
    Context,
    boost_of,
    escape_pattern,
    field_of,
    least_matching,
    one_field,
    options,
    shard_failure,
)
from maru.components.search.errors import illegal, parsing
from maru.components.search.model.analysis.analyzers import Analyzer
from maru.components.search.model.analysis.tokens import Token
from maru.components.search.model.mapping.fields import Field, family_of
from maru.core.errors import MaruError
from maru.wire.elastic.json import Json, Object, as_text

if TYPE_CHECKING:
    import tantivy

_MATCH = (
    "query",
    "operator",
    "type",
    "fuzziness",
    "analyzer",
    "slop",
    "minimum_should_match",
    "prefix_length",
    "max_expansions",
    "lenient",
    "cutoff_frequency",
    "zero_terms_query",
    "fuzzy_transpositions",
    "fuzzy_rewrite",
    "auto_generate_synonyms_phrase_query",
    "fields",
    "tie_breaker",
)
EXPANSIONS = 50


def match(context: Context, body: Json) -> tantivy.Query:
    """Any (or all) of the words."""
    name, given = one_field(body, "match")
    params = _params(given, "match")
    return context.boosted(match_field(context, name, params["query"], params), boost_of(params))


def match_phrase(context: Context, body: Json) -> tantivy.Query:
    """The words in a row."""
    name, given = one_field(body, "match_phrase")
    params = _params(given, "match_phrase")
    return context.boosted(phrase_field(context, name, as_text(params["query"]), params), boost_of(params))


def match_phrase_prefix(context: Context, body: Json) -> tantivy.Query:
    """The words in a row, the last one begun."""
    name, given = one_field(body, "match_phrase_prefix")
    params = _params(given, "match_phrase_prefix")
    return context.boosted(phrase_prefix_field(context, name, as_text(params["query"]), params), boost_of(params))


def match_bool_prefix(context: Context, body: Json) -> tantivy.Query:
    """Any of the words, the last one begun."""
    name, given = one_field(body, "match_bool_prefix")
    params = _params(given, "match_bool_prefix")
    return context.boosted(bool_prefix_field(context, name, as_text(params["query"]), params), boost_of(params))


def multi_match(context: Context, body: Json) -> tantivy.Query:
    """One text over several fields."""
    if not isinstance(body, dict):
        raise parsing("[multi_match] malformed query, expected [START_OBJECT]")
    options(body, "multi_match", _MATCH)
    if body.get("query") is None:
        raise parsing("No text specified for multi-match query")
    kind = str(body.get("type", "best_fields"))
    fields = fields_of(context, body.get("fields") or default_fields(context))
    by_field = {
        "best_fields": match_field,
        "most_fields": match_field,
        "cross_fields": match_field,
        "phrase": phrase_field,
        "phrase_prefix": phrase_prefix_field,
        "bool_prefix": bool_prefix_field,
    }
    if kind not in by_field:
        raise parsing(f"failed to parse [multi_match] query type [{kind}]. unknown type.")
    if kind == "cross_fields":
        return context.boosted(_cross_fields(context, fields, body), boost_of(body))
    if body.get("lenient") is None and "*" in str(body.get("fields", "*")):
        body = {**body, "lenient": True}
    parts = []
    for name, boost in fields:
        query = by_field[kind](
            context, name, body["query"] if kind.endswith("fields") else as_text(body["query"]), body
        )
        parts.append(context.boosted(query, boost))
    if not parts:
        return context.nothing()
    if kind in ("most_fields", "bool_prefix"):
        return context.boosted(context.either(parts), boost_of(body))
    tie = float(body.get("tie_breaker", 0.0))
    return context.boosted(context.kit.disjunction_max_query(parts, tie), boost_of(body))


def combined_fields(context: Context, body: Json) -> tantivy.Query:
    """Each word in any of the fields."""
    if not isinstance(body, dict) or body.get("query") is None:
        raise parsing("[combined_fields] requires query value")
    return context.boosted(
        _cross_fields(context, fields_of(context, body.get("fields") or []), {"operator": "or", **body}), boost_of(body)
    )


def match_field(context: Context, name: str, text: Json, params: Object) -> tantivy.Query:
    """The words of `text` in one field, joined as `params` say."""
    known = field_of(context, name)
    if known is None or not known.is_text:
        return _exact(context, name, text, params)
    tokens = analyzed(context, known, as_text(text), params)
    if not tokens:
        return (
            context.everything() if str(params.get("zero_terms_query", "none")).lower() == "all" else context.nothing()
        )
    groups = by_position(tokens)
    parts = [_words(context, known, group, params) for group in groups]
    if str(params.get("operator", "or")).lower() == "and":
        return context.both(*parts) if len(parts) > 1 else parts[0]
    return context.either(
        parts, max(1, min(least_matching(params.get("minimum_should_match"), len(parts)), len(parts) + 1))
    )


def phrase_field(context: Context, name: str, text: Json, params: Object) -> tantivy.Query:
    """The words in a row in one field."""
    known = field_of(context, name)
    if known is None or not known.is_text:
        return _exact(context, name, text, params)
    if known.params.get("index_options") in ("docs", "freqs"):
        raise shard_failure(
            f"field:[{name}] was indexed without position data; cannot run PhraseQuery", "illegal_argument_exception"
        )
    chosen = params if "analyzer" in params else {**params, "quoted": True}
    tokens = analyzed(context, known, as_text(text), chosen)
    if not tokens:
        return (
            context.everything() if str(params.get("zero_terms_query", "none")).lower() == "all" else context.nothing()
        )
    groups = by_position(tokens)
    if not context.has(known.column):
        return context.nothing()
    if len(groups) == 1:
        return _words(context, known, groups[0], {})
    slop = int(params.get("slop", 0))
    first = groups[0][0].position
    variants: list[list[str | tuple[int, str]]] = [[]]
    for group in groups:
        variants = [[*one, (token.position - first, token.text)] for one in variants for token in group][:64]
    queries = [context.kit.phrase_query(context.schema, known.column, words, slop) for words in variants]
    return context.either(queries)


def phrase_prefix_field(context: Context, name: str, text: Json, params: Object) -> tantivy.Query:
    """The words in a row, the last one begun, in one field."""
    known = field_of(context, name)
    if known is None or not known.is_text:
        return (
            terms.prefix(context, {name: as_text(text)})
            if known is not None and family_of(known.kind) == "keyword"
            else _exact(context, name, text, params)
        )
    tokens = analyzed(context, known, as_text(text), params)
    if not tokens:
        return context.nothing()
    if not context.has(known.column):
        return context.nothing()
    last = tokens[-1]
    most = int(params.get("max_expansions", EXPANSIONS))
    endings = context.expand(known.column, lambda term: True, last.text, most)
    if len(tokens) == 1:
        return context.either([context.term(known.column, ending) for ending in endings])
    first = tokens[0].position
    start = [(token.position - first, token.text) for token in tokens[:-1]]
    slop = int(params.get("slop", 0))
    return context.either(
        [
            context.kit.phrase_query(context.schema, known.column, [*start, (last.position - first, ending)], slop)
            for ending in endings
        ]
    )


def bool_prefix_field(context: Context, name: str, text: Json, params: Object) -> tantivy.Query:
    """Any of the words, the last one begun, in one field."""
    known = field_of(context, name)
    if known is None or not known.is_text:
        return phrase_prefix_field(context, name, text, params)
    tokens = analyzed(context, known, as_text(text), params)
    if not tokens:
        return context.nothing()
    parts = [_words(context, known, [token], params) for token in tokens[:-1]]
    parts.append(context.regexp(known.column, escape_pattern(tokens[-1].text) + ".*"))
    if str(params.get("operator", "or")).lower() == "and":
        return context.both(*parts)
    return context.either(parts, max(1, least_matching(params.get("minimum_should_match"), len(parts))))


def analyzed(context: Context, known: Field, text: str, params: Object) -> list[Token]:
    """The tokens of what is asked for. Raises the shard's failure for an analyzer there is not."""
    name = params.get("analyzer")
    chosen: Analyzer | None = known.quote_analyzer if params.get("quoted") else known.search_analyzer
    if name is not None:
        try:
            chosen = context.mapping.analyzers.named(str(name))
        except ValueError as error:
            raise shard_failure(f"[match] analyzer [{name}] not found") from error
    assert chosen is not None
    return chosen.tokens(text)


def by_position(tokens: Sequence[Token]) -> list[list[Token]]:
    """Tokens at one position are other words for the same."""
    groups: dict[int, list[Token]] = {}
    for token in tokens:
        groups.setdefault(token.position, []).append(token)
    return [groups[position] for position in sorted(groups)]


def fields_of(context: Context, given: Json) -> list[tuple[str, float]]:
    """(field, boost) of names with ^boost and asterisks."""
    found: list[tuple[str, float]] = []
    for spelled in given if isinstance(given, list) else [given]:
        name, _, boost = str(spelled).partition("^")
        weight = float(boost) if boost else 1.0
        if "*" in name:
            found += [(path, weight) for path, known in context.mapping.matching(name) if is_searchable(known)]
        else:
            found.append((name, weight))
    return found


def is_searchable(known: Field) -> bool:
    """Whether a query without fields looks there."""
    return (
        known.is_indexed
        and not known.nested
        and family_of(known.kind) in ("text", "keyword", "whole", "decimal", "date", "boolean", "ip", "unsigned")
    )


def default_fields(context: Context) -> list[str]:
    """index.query.default_field, all of them where it says nothing."""
    given = context.place.target.settings.get("index.query.default_field", "*")
    return given if isinstance(given, list) else [str(given)]


def _params(given: Json, query: str) -> Object:
    params = options(given, query, _MATCH) if isinstance(given, dict) else {"query": given}
    if isinstance(params.get("query"), list | dict):
        raise parsing(
            f"[{query}] unknown token [START_{'ARRAY' if isinstance(params['query'], list) else 'OBJECT'}] "
            "after [query]"
        )
    if params.get("query") is None:
        raise (
            illegal("No text specified for text query")
            if query == "match"
            else parsing("No text specified for text query")
        )
    operator = str(params.get("operator", "or")).lower()
    if operator not in ("or", "and"):
        raise illegal(f"No enum constant org.elasticsearch.index.query.Operator.{operator.upper()}")
    if "zero_terms_query" in params and str(params["zero_terms_query"]).lower() not in ("none", "all"):
        raise parsing(f"Unsupported zero_terms_query value [{params['zero_terms_query']}]")
    return params


def _words(context: Context, known: Field, group: Sequence[Token], params: Object) -> tantivy.Query:
    if params.get("fuzziness") is not None:
        queries = [terms.fuzzy_term(context, known, token.text, params) for token in group]
    else:
        queries = [context.term(known.column, token.text) for token in group]
    return queries[0] if len(queries) == 1 else context.kit.disjunction_max_query(queries, 0.0)


def _exact(context: Context, name: str, text: Json, params: Object) -> tantivy.Query:
    known = field_of(context, name)
    if known is not None and family_of(known.kind) == "keyword" and params.get("fuzziness") is not None:
        return terms.fuzzy_term(context, known, as_text(text), params)
    try:
        return terms.value_query(context, name, text)
    except MaruError:
        if params.get("lenient") in (True, "true"):
            return context.nothing()
        raise


def _cross_fields(context: Context, fields: Sequence[tuple[str, float]], params: Object) -> tantivy.Query:
    """Each word somewhere in the fields; fields of one analyzer share their words."""
    words: list[str] = []
    texts = [(known, boost) for name, boost in fields if (known := field_of(context, name)) is not None]
    for known, _ in texts:
        if known.is_text:
            words = [token.text for token in analyzed(context, known, as_text(params["query"]), params)]
            break
    else:
        words = re.findall(r"\S+", as_text(params["query"]))
    parts = []
    for word in words:
        choices = [
            context.boosted(match_field(context, known.path, word, {"lenient": True}), boost) for known, boost in texts
        ]
        if choices:
            parts.append(context.kit.disjunction_max_query(choices, float(params.get("tie_breaker", 0.0))))
    if not parts:
        return context.nothing()
    if str(params.get("operator", "or")).lower() == "and":
        return context.both(*parts)
    return context.either(parts, max(1, least_matching(params.get("minimum_should_match"), len(parts))))
