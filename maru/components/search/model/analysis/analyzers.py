"""Analyzers: built in and defined in an index's settings.

Source: Elasticsearch reference, "Built-in analyzer reference" and "Create a custom analyzer".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.search.model.analysis.filters import CharFilter, Filter, char_filter, token_filter
from maru.components.search.model.analysis.tokens import Token, Tokenizer, tokenizer
from maru.wire.elastic.json import Object

LANGUAGES = (
    "arabic",
    "danish",
    "dutch",
    "finnish",
    "french",
    "german",
    "greek",
    "hungarian",
    "italian",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "spanish",
    "swedish",
    "turkish",
)


@dataclass(frozen=True)
class Analyzer:
    """is_standard: cuts and lowers exactly as `spacing.spaced` does."""

    name: str
    cut: Tokenizer
    filters: tuple[Filter, ...] = ()
    char_filters: tuple[CharFilter, ...] = ()
    is_standard: bool = False

    def tokens(self, text: str) -> list[Token]:
        """The tokens of `text`, positions ascending."""
        for change in self.char_filters:
            text = change(text)
        tokens = self.cut(text)
        for step in self.filters:
            tokens = step(tokens)
        return tokens


class Analyzers:
    """The analyzers of one index. settings: its `index.analysis` as nested objects."""

    def __init__(self, settings: Object | None = None) -> None:
        self._settings = settings or {}
        self._made: dict[str, Analyzer] = {}
        for name in self._settings.get("analyzer", {}):
            self._made[name] = self._define(name, self._settings["analyzer"][name])

    def named(self, name: str, path: str = "") -> Analyzer:
        """Raises ValueError in the server's words for a name there is not."""
        if name == "default_search" and "default_search" not in self._made:
            name = "default"
        if name == "default" and "default" not in self._made:
            name = "standard"
        found = self._made.get(name)
        if found is None:
            made = self._built_in(name)
            if made is None:
                raise ValueError(f"analyzer [{name}] has not been configured in mappings")
            found = self._made[name] = made
        return found

    def has(self, name: str) -> bool:
        """Whether `named` would find it."""
        return name in self._made or self._built_in(name) is not None

    def normalizer(self, name: str, path: str = "") -> Analyzer:
        """Raises ValueError."""
        given = self._settings.get("normalizer", {}).get(name)
        if given is None:
            if name != "lowercase":
                raise ValueError(f"normalizer [{name}] not found for field [{path}]")
            given = {"filter": ["lowercase"]}
        return self.custom(name, {"tokenizer": "keyword", **given})

    def custom(self, name: str, params: Object) -> Analyzer:
        """tokenizer, filter and char_filter, each by name or defined in place."""
        cut = self._tokenizer(params.get("tokenizer"), name)
        filters = tuple(self._filter(given) for given in _many(params.get("filter")))
        changes = tuple(self._char_filter(given) for given in _many(params.get("char_filter")))
        return Analyzer(name, cut, filters, changes)

    def tokenizer(self, given: object) -> Tokenizer:
        """Raises ValueError."""
        return self._tokenizer(given, "")

    def filter(self, given: object) -> Filter:
        """Raises ValueError."""
        return self._filter(given)

    def char_filter(self, given: object) -> CharFilter:
        """Raises ValueError."""
        return self._char_filter(given)

    def _define(self, name: str, params: Object) -> Analyzer:
        kind = str(params.get("type", "custom"))
        if kind == "custom":
            if not params.get("tokenizer"):
                raise ValueError(f"analyzer [{name}] must specify either an analyzer type, or a tokenizer")
            return self.custom(name, params)
        found = self._built_in(kind, params)
        if found is None:
            raise ValueError(f"Unknown analyzer type [{kind}] for [{name}]")
        return found

    def _built_in(self, name: str, params: Object | None = None) -> Analyzer | None:
        params = params or {}
        lower = token_filter("lowercase", {})
        stops = (token_filter("stop", params),) if params.get("stopwords") else ()
        if name == "standard":
            return Analyzer(
                name, tokenizer("standard", params), (lower, *stops), is_standard=not params.keys() - {"type"}
            )
        if name == "simple":
            return Analyzer(name, tokenizer("lowercase", {}))
        if name == "whitespace":
            return Analyzer(name, tokenizer("whitespace", {}))
        if name == "keyword":
            return Analyzer(name, tokenizer("keyword", {}))
        if name == "stop":
            return Analyzer(name, tokenizer("lowercase", {}), (token_filter("stop", params),))
        if name == "pattern":
            lowers = () if params.get("lowercase") in (False, "false") else (lower,)
            return Analyzer(name, tokenizer("pattern", params), (*lowers, *stops))
        if name == "english":
            steps = (
                token_filter("stemmer", {"language": "possessive_english"}),
                lower,
                token_filter("stop", params),
                token_filter("porter_stem", {}),
            )
            return Analyzer(name, tokenizer("standard", {}), steps)
        if name == "fingerprint":
            return Analyzer(name, tokenizer("standard", {}), (lower, token_filter("asciifolding", {}), _fingerprint))
        if name in LANGUAGES:
            return Analyzer(name, tokenizer("standard", {}), (lower, token_filter("stemmer", {"language": name})))
        return None

    def _tokenizer(self, given: object, owner: str) -> Tokenizer:
        if isinstance(given, dict):
            return tokenizer(str(given.get("type")), given)
        params = self._settings.get("tokenizer", {}).get(str(given))
        if params is not None:
            return tokenizer(str(params.get("type")), params)
        try:
            return tokenizer(str(given), {})
        except ValueError as error:
            if not owner:
                raise
            raise ValueError(f"Custom Analyzer [{owner}] failed to find tokenizer under name [{given}]") from error

    def _filter(self, given: object) -> Filter:
        if isinstance(given, dict):
            return token_filter(str(given.get("type")), given)
        params = self._settings.get("filter", {}).get(str(given))
        return token_filter(str(params.get("type")), params) if params is not None else token_filter(str(given), {})

    def _char_filter(self, given: object) -> CharFilter:
        if isinstance(given, dict):
            return char_filter(str(given.get("type")), given)
        params = self._settings.get("char_filter", {}).get(str(given))
        return char_filter(str(params.get("type")), params) if params is not None else char_filter(str(given), {})


def _fingerprint(tokens: list[Token]) -> list[Token]:
    if not tokens:
        return []
    return [Token(" ".join(sorted({token.text for token in tokens})), 0, tokens[-1].end, 0, "fingerprint")]


def _many(given: object) -> Sequence[object]:
    if given is None:
        return []
    if isinstance(given, list):
        return given
    return list(re.split(r",\s*", given)) if isinstance(given, str) else [given]
