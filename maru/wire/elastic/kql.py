"""The Kibana query language, as a query of the DSL.

field: value, ranges, and, or, not, groups of values, wildcards, nested { }. Source: Kibana guide, "Kibana Query
Language"; Elasticsearch reference, "KQL query".
"""

from __future__ import annotations

import re

from maru.wire.elastic.json import Object

_TOKEN = re.compile(
    r'\s*(?:(?P<sign>[(){}]|<=|>=|<|>|:)|"(?P<phrase>(?:\\.|[^"\\])*)"|(?P<word>(?:\\.|[^\s(){}<>:"\\])+))'
)
_RANGES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


class KqlFault(ValueError):
    """Text that is no query."""


def to_query(text: str) -> Object:
    """The query that `text` means; all documents for nothing. Raises KqlFault."""
    reader = _Reader(text)
    if not reader.tokens:
        return {"match_all": {}}
    query = reader.either("")
    if reader.at < len(reader.tokens):
        raise KqlFault(f"unexpected [{reader.tokens[reader.at][1]}] in [{text}]")
    return query


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        place = 0
        while place < len(text.rstrip()):
            found = _TOKEN.match(text, place)
            if found is None:
                raise KqlFault(f"cannot read [{text[place:]}]")
            kind = str(found.lastgroup)
            self.tokens.append((kind, found[kind]))
            place = found.end()

    def either(self, field: str, prefix: str = "") -> Object:
        parts = [self._both(field, prefix)]
        while self._take("or"):
            parts.append(self._both(field, prefix))
        return parts[0] if len(parts) == 1 else {"bool": {"should": parts, "minimum_should_match": 1}}

    def _both(self, field: str, prefix: str) -> Object:
        parts = [self._not(field, prefix)]
        while self._take("and"):
            parts.append(self._not(field, prefix))
        return parts[0] if len(parts) == 1 else {"bool": {"filter": parts}}

    def _not(self, field: str, prefix: str) -> Object:
        if self._take("not"):
            return {"bool": {"must_not": [self._not(field, prefix)]}}
        if self._take("("):
            inner = self.either(field, prefix)
            self._must(")")
            return inner
        return self._leaf(field, prefix)

    def _leaf(self, field: str, prefix: str) -> Object:
        kind, text = self._next()
        sign = self.tokens[self.at][1] if self.at < len(self.tokens) and self.tokens[self.at][0] == "sign" else ""
        if field or sign not in (":", *_RANGES):
            return _value(field, kind, text)
        self.at += 1
        name = prefix + _plain(text)
        if sign != ":":
            return {"range": {name: {_RANGES[sign]: _plain(self._next()[1])}}}
        if self._take("("):
            inner = self.either(name, prefix)
            self._must(")")
            return inner
        if self._take("{"):
            inner = self.either("", f"{name}.")
            self._must("}")
            return {"nested": {"path": name, "query": inner, "score_mode": "none"}}
        return _value(name, *self._next())

    def _take(self, word: str) -> bool:
        if self.at < len(self.tokens):
            kind, text = self.tokens[self.at]
            if kind != "phrase" and text.lower() == word:
                self.at += 1
                return True
        return False

    def _must(self, sign: str) -> None:
        if not self._take(sign):
            raise KqlFault(f"expected [{sign}]")

    def _next(self) -> tuple[str, str]:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] == "sign":
            raise KqlFault("a value is missing")
        self.at += 1
        return self.tokens[self.at - 1]


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _value(field: str, kind: str, text: str) -> Object:
    if kind == "phrase":
        words = _plain(text)
        if not field:
            return {"multi_match": {"type": "phrase", "query": words, "lenient": True}}
        return {"match_phrase": {field: words}}
    if text == "*":
        return {"exists": {"field": field}} if field else {"match_all": {}}
    if re.search(r"(?<!\\)\*", text):
        spelled = re.sub(r"(?<!\\)([?/+\-!~^&|=\[\]])", r"\\\1", text)
        return {"query_string": {"query": spelled, **({"fields": [field]} if field else {})}}
    if not field:
        return {"multi_match": {"type": "best_fields", "query": _plain(text), "lenient": True}}
    return {"match": {field: _plain(text)}}
