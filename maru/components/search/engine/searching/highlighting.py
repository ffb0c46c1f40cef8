"""Highlighting: where in a field's text the words of a query stand, in fragments.

Fragments are sentences up to a size, in the order of the text or by how much they hold. Source: Elasticsearch
reference, "Highlighting" (the unified highlighter).
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from maru.components.search.engine.queries.context import edits, wildcard_pattern
from maru.components.search.engine.searching.rows import Row
from maru.components.search.errors import parsing
from maru.components.search.model.analysis.tokens import Token
from maru.components.search.model.mapping.extract import values_at
from maru.components.search.model.mapping.fields import Field, family_of
from maru.wire.elastic import lucene
from maru.wire.elastic.json import Json, Object, as_text

Test = Callable[[str], bool]
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?]+(?=\s|$)|\n|$)\s*")


@dataclass(frozen=True, slots=True)
class Want:
    """Words that must stand in a row: one test each. field: pattern, "*" for any."""

    field: str
    tests: tuple[Test, ...]


class Highlighter:
    """One request's `highlight`. Raises parsing_exception for one without fields."""

    def __init__(self, body: Object, query: Json) -> None:
        if "fields" not in body:
            raise parsing("[highlight] requires fields")
        given = body["fields"]
        pairs = [pair for one in given for pair in one.items()] if isinstance(given, list) else list(given.items())
        self._fields = [
            (name, {**{key: one for key, one in body.items() if key != "fields"}, **(params or {})})
            for name, params in pairs
        ]
        self._query = query

    def of(self, row: Row) -> Object:
        """The fragments by field; fields without any are left out."""
        found: Object = {}
        for name, params in self._fields:
            query = params.get("highlight_query", self._query)
            for path, known in row.place.target.mapping.matching(name):
                if family_of(known.kind) not in ("text", "keyword") or (
                    "*" in name and known.kind not in ("text", "keyword", "search_as_you_type", "match_only_text")
                ):
                    continue
                wants = [want for want in wanted(query, row, known) if _is_for(want, path, params)]
                texts = [as_text(one) for one in values_at(row.source, known.source) if not isinstance(one, dict)]
                fragments = self._fragments(known, texts, wants, params)
                if fragments:
                    found[path] = fragments
        return found

    def _fragments(self, known: Field, texts: Sequence[str], wants: Sequence[Want], params: Object) -> list[str]:
        count, size = int(params.get("number_of_fragments", 5)), int(params.get("fragment_size", 100))
        before, after = params.get("pre_tags", ["<em>"]), params.get("post_tags", ["</em>"])
        before, after = (
            (before if isinstance(before, list) else [before])[0],
            (after if isinstance(after, list) else [after])[0],
        )
        encode = html.escape if params.get("encoder") == "html" else str
        fragments: list[tuple[int, str]] = []
        for text in texts:
            spans = _spans(known, text, wants)
            pieces = (
                [(0, len(text))]
                if count == 0 or size == 0 or family_of(known.kind) == "keyword"
                else _pieces(text, size)
            )
            for start, end in pieces:
                inside = [span for span in spans if start <= span[0] < end]
                if inside:
                    fragments.append(
                        (len(inside), _marked(text, (start, max(end, inside[-1][1])), inside, (before, after, encode)))
                    )
        if not fragments and texts and int(params.get("no_match_size", 0)):
            return [texts[0][: int(params["no_match_size"])]]
        if params.get("order") == "score":
            fragments.sort(key=lambda one: -one[0])
        return [fragment for _, fragment in (fragments if count == 0 else fragments[:count])]


def wanted(query: Json, row: Row, known: Field) -> list[Want]:
    """What the parts of a query that look for words look for, as `known` would cut it."""
    found: list[Want] = []
    if isinstance(query, list):
        for one in query:
            found += wanted(one, row, known)
        return found
    if not isinstance(query, dict):
        return found
    for kind, body in query.items():
        if kind in ("must_not", "negative", "inner_hits", "filter_path"):
            continue
        if kind in _WORDS and isinstance(body, dict):
            found += _WORDS[kind](kind, body, known)
        elif isinstance(body, dict | list):
            found += wanted(body, row, known)
    return found


def _cut(known: Field, text: str) -> list[str]:
    if known.search_analyzer is None:
        return [known.keyed(text)]
    return [token.text for token in known.search_analyzer.tokens(text)]


def _same(word: str) -> Test:
    return lambda text: text == word


def _begins(start: str) -> Test:
    return lambda text: text.startswith(start)


def _pattern(pattern: str) -> Test:
    compiled = re.compile(pattern.replace("(?s:.)", "."), re.DOTALL)
    return lambda text: compiled.fullmatch(text) is not None


def _near(word: str, fuzziness: Json) -> Test:
    most = edits(fuzziness, len(word))
    return lambda text: _distance(word, text, most) <= most


def _distance(one: str, other: str, most: int) -> int:
    if abs(len(one) - len(other)) > most:
        return most + 1
    before = list(range(len(other) + 1))
    for row, left in enumerate(one, 1):
        now = [row]
        for column, right in enumerate(other, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (left != right)))
        before = now
    return before[-1]


def _match(kind: str, body: Object, known: Field) -> list[Want]:
    found = []
    for name, given in body.items():
        if name in ("boost", "_name"):
            continue
        params = given if isinstance(given, dict) else {"query": given}
        words = _cut(known, as_text(params.get("query", "")))
        if not words:
            continue
        tests = [
            _near(word, params["fuzziness"]) if params.get("fuzziness") is not None else _same(word) for word in words
        ]
        if kind.endswith("prefix"):
            tests[-1] = _begins(words[-1])
        found += [Want(name, tuple(tests))] if "phrase" in kind else [Want(name, (test,)) for test in tests]
    return found


def _multi(kind: str, body: Object, known: Field) -> list[Want]:
    names = [str(one).partition("^")[0] for one in body.get("fields") or ["*"]]
    inner = {"phrase": "match_phrase", "phrase_prefix": "match_phrase_prefix", "bool_prefix": "match_bool_prefix"}.get(
        str(body.get("type")), "match"
    )
    return [
        want
        for name in names
        for want in _match(
            inner,
            {name: {"query": body.get("query"), **({"fuzziness": body["fuzziness"]} if "fuzziness" in body else {})}},
            known,
        )
    ]


def _term(kind: str, body: Object, known: Field) -> list[Want]:
    found = []
    for name, given in body.items():
        if name in ("boost", "_name"):
            continue
        values = (
            given
            if isinstance(given, list)
            else [given.get("value", given.get(kind)) if isinstance(given, dict) else given]
        )
        for value in values:
            text = as_text(value)
            if kind == "prefix":
                found.append(Want(name, (_begins(text),)))
            elif kind in ("wildcard", "regexp"):
                found.append(Want(name, (_pattern(wildcard_pattern(text) if kind == "wildcard" else text),)))
            elif kind == "fuzzy":
                found.append(
                    Want(name, (_near(text, given.get("fuzziness", "AUTO") if isinstance(given, dict) else "AUTO"),))
                )
            else:
                found.append(Want(name, (_same(text),)))
    return found


def _string(kind: str, body: Object, known: Field) -> list[Want]:
    try:
        tree = lucene.parse(str(body.get("query", "")))
    except lucene.SyntaxFault:
        return []
    names = [str(one).partition("^")[0] for one in body.get("fields") or [body.get("default_field") or "*"]]
    found: list[Want] = []

    def walk(node: lucene.Node) -> None:
        if isinstance(node, lucene.Group):
            for occur, inner in node.clauses:
                if occur != lucene.MUST_NOT:
                    walk(inner)
            return
        for name in [node.field] if node.field else names:
            if isinstance(node, lucene.Word):
                found.extend(
                    Want(name, (_same(word) if node.fuzzy == -1 else _near(word, "AUTO"),))
                    for word in _cut(known, node.text)
                )
            elif isinstance(node, lucene.Phrase):
                words = _cut(known, node.text)
                found.extend([Want(name, tuple(_same(word) for word in words))] if words else [])
            elif isinstance(node, lucene.Pattern) and node.text != "*":
                found.append(
                    Want(name, (_pattern(wildcard_pattern(node.text.lower() if known.is_text else node.text)),))
                )

    walk(tree)
    return found


_WORDS: dict[str, Callable[[str, Object, Field], list[Want]]] = {
    "match": _match,
    "match_phrase": _match,
    "match_phrase_prefix": _match,
    "match_bool_prefix": _match,
    "multi_match": _multi,
    "combined_fields": _multi,
    "term": _term,
    "terms": _term,
    "prefix": _term,
    "wildcard": _term,
    "regexp": _term,
    "fuzzy": _term,
    "query_string": _string,
    "simple_query_string": _string,
    "span_term": _term,
}


def _is_for(want: Want, path: str, params: Object) -> bool:
    if params.get("require_field_match") in (False, "false"):
        return True
    return want.field == path or fnmatchcase(path, want.field) or path in (params.get("matched_fields") or [])


def _spans(known: Field, text: str, wants: Sequence[Want]) -> list[tuple[int, int]]:
    tokens: Sequence[Token]
    tokens = known.analyzer.tokens(text) if known.analyzer is not None else [Token(known.keyed(text), 0, len(text), 0)]
    spans: set[tuple[int, int]] = set()
    for want in wants:
        size = len(want.tests)
        for index in range(len(tokens) - size + 1):
            if all(test(tokens[index + step].text) for step, test in enumerate(want.tests)):
                spans |= {(token.start, token.end) for token in tokens[index : index + size]}
    clean: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if not clean or start >= clean[-1][1]:
            clean.append((start, end))
    return clean


def _pieces(text: str, size: int) -> list[tuple[int, int]]:
    pieces: list[tuple[int, int]] = []
    for found in _SENTENCE.finditer(text):
        start, end = found.span()
        if start == end:
            continue
        if pieces and end - pieces[-1][0] <= size:
            pieces[-1] = (pieces[-1][0], end)
            continue
        while end - start > size * 1.5:
            cut = text.rfind(" ", start, start + size)
            cut = cut if cut > start else start + size
            pieces.append((start, cut))
            start = cut + (1 if text[cut : cut + 1] == " " else 0)
        pieces.append((start, end))
    return pieces


def _marked(
    text: str, piece: tuple[int, int], spans: Sequence[tuple[int, int]], how: tuple[str, str, Callable[[str], str]]
) -> str:
    before, after, encode = how
    out = []
    at = piece[0]
    for start, end in spans:
        out += [encode(text[at:start]), before, encode(text[start:end]), after]
        at = end
    out.append(encode(text[at : piece[1]]))
    return "".join(out).strip() if piece != (0, len(text)) else "".join(out)
