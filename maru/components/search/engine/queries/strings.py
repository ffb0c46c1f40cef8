"""Queries that are text: `query_string`, `?q=` and `simple_query_string`.

Source: Elasticsearch reference, "Query string query" and "Simple query string query".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from maru.components.search.engine.queries import fulltext, spans, terms
from maru.components.search.engine.queries.context import (
    Context,
    boost_of,
    least_matching,
    options,
    shard_failure,
    wildcard_pattern,
)
from maru.components.search.errors import parsing
from maru.components.search.model.mapping.fields import family_of
from maru.core.errors import MaruError
from maru.wire.elastic import lucene
from maru.wire.elastic.json import Json, Object
from maru.wire.elastic.kql import KqlFault, to_query

if TYPE_CHECKING:
    import tantivy

_KNOWN = (
    "query",
    "default_field",
    "fields",
    "default_operator",
    "analyzer",
    "quote_analyzer",
    "allow_leading_wildcard",
    "enable_position_increments",
    "fuzzy_max_expansions",
    "fuzziness",
    "fuzzy_prefix_length",
    "fuzzy_transpositions",
    "phrase_slop",
    "analyze_wildcard",
    "max_determinized_states",
    "minimum_should_match",
    "lenient",
    "time_zone",
    "quote_field_suffix",
    "auto_generate_synonyms_phrase_query",
    "tie_breaker",
    "type",
    "rewrite",
    "fuzzy_rewrite",
    "escape",
    "auto_generate_phrase_queries",
)
_SIMPLE = (
    "query",
    "fields",
    "default_operator",
    "analyzer",
    "flags",
    "lenient",
    "minimum_should_match",
    "quote_field_suffix",
    "analyze_wildcard",
    "auto_generate_synonyms_phrase_query",
    "fuzzy_prefix_length",
    "fuzzy_max_expansions",
    "fuzzy_transpositions",
)


def query_string(context: Context, body: Json) -> tantivy.Query:
    """Lucene's syntax."""
    if not isinstance(body, dict):
        raise parsing("[query_string] query malformed, no start_object after query name")
    options(body, "query_string", _KNOWN)
    if body.get("query") is None:
        raise parsing("[query_string] must be provided with a [query]")
    text = str(body["query"])
    if not text.strip():
        return context.nothing()
    try:
        tree = lucene.parse(text, str(body.get("default_operator", "or")))
    except lucene.SyntaxFault as error:
        cause = {"type": "parse_exception", "reason": str(error)}
        raise shard_failure(f"Failed to parse query [{text}]", caused_by=cause) from error
    fields = body.get("fields") or ([body["default_field"]] if body.get("default_field") else None)
    return context.boosted(_Tree(context, body, fields).query(tree), boost_of(body))


class _Tree:
    """Compiles a parsed text with the options of its query."""

    def __init__(self, context: Context, params: Object, fields: Json) -> None:
        self._context = context
        self._params = params
        self._is_lenient = params.get("lenient") in (True, "true") or fields is None or fields == ["*"]
        self._fields = fulltext.fields_of(context, fields or fulltext.default_fields(context))

    def query(self, node: lucene.Node) -> tantivy.Query:
        context = self._context
        if isinstance(node, lucene.Group):
            return context.boosted(self._group(node), node.boost)
        if node.field == "*" and isinstance(node, lucene.Pattern) and node.text == "*":
            return context.everything(node.boost)
        if node.field == "_exists_":
            name = lucene.unescape(getattr(node, "text", ""))
            return terms.exists(context, {"field": name})
        names = fulltext.fields_of(context, [node.field]) if node.field else self._fields
        parts = []
        for name, boost in names:
            try:
                parts.append(context.boosted(self._leaf(node, name), boost))
            except MaruError:
                if not self._is_lenient:
                    raise
        if not parts:
            return context.nothing()
        whole = (
            parts[0]
            if len(parts) == 1
            else context.kit.disjunction_max_query(parts, float(self._params.get("tie_breaker", 0.0)))
        )
        return context.boosted(whole, node.boost)

    def _group(self, group: lucene.Group) -> tantivy.Query:
        must = [self.query(node) for occur, node in group.clauses if occur == lucene.MUST]
        should = [self.query(node) for occur, node in group.clauses if occur == lucene.SHOULD]
        unwanted = [self.query(node) for occur, node in group.clauses if occur == lucene.MUST_NOT]
        context = self._context
        least = self._params.get("minimum_should_match")
        if should and (not must or least is not None):
            wanted = max(1, least_matching(least, len(should))) if least is not None else 1
            must.append(context.either(should, wanted))
            should = []
        if not must:
            must = [context.everything()]
        import tantivy

        if len(must) == 1 and not should and not unwanted:
            return must[0]
        pairs = [(tantivy.Occur.Must, one) for one in must] + [(tantivy.Occur.Should, one) for one in should]
        return context.kit.boolean_query([*pairs, *((tantivy.Occur.MustNot, one) for one in unwanted)])

    def _leaf(self, node: lucene.Node, name: str) -> tantivy.Query:
        context = self._context
        if isinstance(node, lucene.Word):
            if node.fuzzy != -1:
                fuzziness: Json = self._params.get("fuzziness", "AUTO") if node.fuzzy == -2 else int(node.fuzzy)
                return fulltext.match_field(context, name, node.text, {**self._analyzer(), "fuzziness": fuzziness})
            known = context.mapping.find(name)
            if known is not None and family_of(known.kind) == "date":
                return spans.between(context, name, (node.text, node.text, True, True), self._shape())
            return fulltext.match_field(
                context, name, node.text, {**self._analyzer(), "operator": self._params.get("default_operator", "or")}
            )
        if isinstance(node, lucene.Phrase):
            slop = node.slop if node.slop >= 0 else int(self._params.get("phrase_slop", 0))
            known = context.mapping.find(name)
            if known is not None and family_of(known.kind) == "date":
                return spans.between(context, name, (node.text, node.text, True, True), self._shape())
            return fulltext.phrase_field(context, name, node.text, {**self._analyzer(), "slop": slop})
        if isinstance(node, lucene.Span):
            low = None if node.low == "*" else node.low
            high = None if node.high == "*" else node.high
            return spans.between(context, name, (low, high, node.has_low, node.has_high), self._shape())
        if isinstance(node, lucene.Expression):
            return terms.regexp(context, {name: node.text})
        assert isinstance(node, lucene.Pattern)
        return self._pattern(node, name)

    def _pattern(self, node: lucene.Pattern, name: str) -> tantivy.Query:
        context = self._context
        if node.text == "*":
            return terms.exists(context, {"field": name})
        if self._params.get("allow_leading_wildcard") in (False, "false") and node.text[0] in "*?":
            raise shard_failure(
                f"Failed to parse query [{self._params['query']}]",
                caused_by={
                    "type": "parse_exception",
                    "reason": "'*' or '?' not allowed as first character in WildcardQuery",
                },
            )
        known = context.mapping.find(name)
        text = node.text
        if (
            known is not None
            and known.is_text
            and known.search_analyzer is not None
            and known.search_analyzer.name != "keyword"
        ):
            text = text.lower()
        elif known is not None and known.normalizer is not None:
            return terms.wildcard(context, {name: text})
        if known is not None and family_of(known.kind) not in ("text", "keyword"):
            raise shard_failure(
                f"Can only use wildcard queries on keyword, text and wildcard fields - not on [{name}] which "
                f"is of type [{known.kind}]"
            )
        return (
            context.regexp(known.column, wildcard_pattern(text))
            if known is not None
            else terms.wildcard(context, {name: text})
        )

    def _analyzer(self) -> Object:
        return {name: self._params[name] for name in ("analyzer", "lenient") if name in self._params}

    def _shape(self) -> tuple[str, str, str]:
        return ("", str(self._params.get("time_zone", "UTC")), "intersects")


def kql(context: Context, body: Json) -> tantivy.Query:
    """Kibana's language."""
    options(body, "kql", ("query", "case_insensitive", "default_field", "time_zone"))
    try:
        return context.boosted(context.compile(to_query(str(body.get("query", "")))), boost_of(body))
    except KqlFault as error:
        raise shard_failure(f"Failed to parse KQL query [{body.get('query')}]: {error}") from error


def simple_query_string(context: Context, body: Json) -> tantivy.Query:
    """+ | - "phrase" prefix* ( ) word~2; what is not right is words."""
    if not isinstance(body, dict):
        raise parsing("[simple_query_string] query malformed, no start_object after query name")
    options(body, "simple_query_string", _SIMPLE)
    if body.get("query") is None:
        raise parsing("[simple_query_string] query text missing")
    fields = body.get("fields")
    tree = _Tree(context, {**body, "lenient": body.get("lenient", fields is None)}, fields)
    group = _simple(str(body["query"]), str(body.get("default_operator", "or")).lower() == "and")
    if not group.clauses:
        return context.nothing()
    return context.boosted(tree.query(group), boost_of(body))


_TOKEN = re.compile(
    r'\s*(?:(?P<sign>[+|()])|(?P<minus>-)(?=\S)|"(?P<phrase>(?:\\.|[^"\\])*)"(?:~(?P<slop>\d+))?|'
    r'(?P<word>(?:\\.|[^\s+|()"])+))'
)


def _simple(text: str, is_and: bool) -> lucene.Group:
    stack: list[tuple[list[tuple[str, lucene.Node]], str, bool]] = []
    clauses: list[tuple[str, lucene.Node]] = []
    joint, is_not = "", False
    at = 0

    def put(node: lucene.Node) -> None:
        nonlocal joint, is_not
        occur = lucene.MUST if is_and else lucene.SHOULD
        if joint == "+":
            occur = lucene.MUST
            if clauses and clauses[-1][0] == lucene.SHOULD:
                clauses[-1] = (lucene.MUST, clauses[-1][1])
        elif joint == "|":
            occur = lucene.SHOULD
            if clauses and clauses[-1][0] == lucene.MUST:
                clauses[-1] = (lucene.SHOULD, clauses[-1][1])
        if is_not:
            everything: lucene.Node = lucene.Pattern("*", "*")
            node = lucene.Group(((lucene.MUST, everything), (lucene.MUST_NOT, node)))
        clauses.append((occur, node))
        joint, is_not = "", False

    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            at += 1
            continue
        at = found.end()
        if found["sign"] == "(":
            stack.append((clauses, joint, is_not))
            clauses, joint, is_not = [], "", False
        elif found["sign"] == ")":
            if stack:
                inner = lucene.Group(tuple(clauses))
                clauses, joint, is_not = stack.pop()
                if inner.clauses:
                    put(inner)
        elif found["sign"]:
            joint = found["sign"]
        elif found["minus"]:
            is_not = True
        elif found["phrase"] is not None:
            put(lucene.Phrase(lucene.unescape(found["phrase"]), slop=int(found["slop"] or -1)))
        else:
            put(_simple_word(found["word"]))
    while stack:
        inner = lucene.Group(tuple(clauses))
        clauses, joint, is_not = stack.pop()
        if inner.clauses:
            put(inner)
    return lucene.Group(tuple(clauses))


def _simple_word(word: str) -> lucene.Node:
    fuzzy = re.fullmatch(r"(.+)~(\d*)", word)
    if fuzzy:
        return lucene.Word(lucene.unescape(fuzzy[1]), fuzzy=float(fuzzy[2]) if fuzzy[2] else -2.0)
    if word.endswith("*") and not word.endswith("\\*") and len(word) > 1:
        return lucene.Pattern(re.sub(r"([*?])(?=.)", r"\\\1", word[:-1]) + "*")
    return lucene.Word(lucene.unescape(word))
