"""Token filters and character filters by type.

Each is made from its parameters once and maps a list of tokens to another. Source: Elasticsearch reference,
"Token filter reference" and "Character filter reference".
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace

from maru.components.search.model.analysis.porter import stem
from maru.components.search.model.analysis.tokens import Token
from maru.wire.elastic.json import Object

Filter = Callable[[list[Token]], list[Token]]
CharFilter = Callable[[str], str]

ENGLISH_STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "for",
        "if",
        "in",
        "into",
        "is",
        "it",
        "no",
        "not",
        "of",
        "on",
        "or",
        "such",
        "that",
        "the",
        "their",
        "then",
        "there",
        "these",
        "they",
        "this",
        "to",
        "was",
        "will",
        "with",
    ]
)


def token_filter(name: str, params: Object) -> Filter:
    """Raises ValueError for a type there is not, or parameters that do not fit."""
    if name in _EACH:
        change = _EACH[name]
        return lambda tokens: [replace(token, text=change(token.text)) for token in tokens]
    if name == "stop":
        words = stop_words(params.get("stopwords", "_english_"))
        fold = params.get("ignore_case") in (True, "true")
        return lambda tokens: [token for token in tokens if (token.text.lower() if fold else token.text) not in words]
    maker = _MAKERS.get(name)
    if maker is None:
        raise ValueError(f"failed to find global filter under [{name}]")
    return maker(params)


def char_filter(name: str, params: Object) -> CharFilter:
    """Raises ValueError for a type there is not."""
    if name == "html_strip":
        return lambda text: html.unescape(
            re.sub(r"<[^>]*>", lambda tag: "\n" if re.match(r"</?(p|br|div|li|h\d)\b", tag[0]) else "", text)
        )
    if name == "mapping":
        pairs = [_pair(str(line)) for line in params.get("mappings", [])]
        if not pairs:
            raise ValueError("mapping requires either `mappings` or `mappings_path` to be configured")
        table = dict(pairs)
        pattern = re.compile("|".join(re.escape(one) for one in sorted(table, key=len, reverse=True)))
        return lambda text: pattern.sub(lambda match: table[match[0]], text)
    if name == "pattern_replace":
        if "pattern" not in params:
            raise ValueError("pattern is missing for [pattern_replace] char filter")
        expression = re.compile(str(params["pattern"]))
        better = re.sub(r"\$(\d)", r"\\\1", str(params.get("replacement", "")))
        return lambda text: expression.sub(better, text)
    raise ValueError(f"failed to find global char_filter under [{name}]")


def stop_words(given: object) -> frozenset[str]:
    """_english_, _none_, or a list of words."""
    if isinstance(given, str):
        given = list(given.split(",")) if not given.startswith("_") else [given]
    words: set[str] = set()
    for word in given if isinstance(given, list) else []:
        if word == "_english_":
            words |= ENGLISH_STOP
        elif word != "_none_":
            words.add(str(word).strip())
    return frozenset(words)


def fold(text: str) -> str:
    """Letters without their marks."""
    table = {
        "ß": "ss",
        "æ": "ae",
        "Æ": "AE",
        "ø": "o",
        "Ø": "O",
        "œ": "oe",
        "Œ": "OE",
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "\u0131": "i",
    }
    plain = unicodedata.normalize("NFKD", "".join(table.get(letter, letter) for letter in text))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def possessive(text: str) -> str:
    """Without the English 's at its end."""
    return text[:-2] if text[-2:] in ("'s", "\u2019s", "'S", "\u2019S") else text


_EACH: dict[str, Callable[[str], str]] = {
    "lowercase": str.lower,
    "uppercase": str.upper,
    "asciifolding": fold,
    "trim": str.strip,
    "reverse": lambda text: text[::-1],
    "porter_stem": stem,
    "kstem": stem,
    "decimal_digit": lambda text: "".join(str(unicodedata.digit(letter, letter)) for letter in text),
    "apostrophe": lambda text: text.partition("'")[0],
    "classic": possessive,
    "elision": lambda text: re.sub(
        r"^(?:l|m|t|qu|n|s|j|d|c|jusqu|quoiqu|lorsqu|puisqu)['\u2019]", "", text, flags=re.IGNORECASE
    ),
}


def _stemmer(params: Object) -> Filter:
    language = str(params.get("language", params.get("name", "english"))).lower()
    if language in ("english", "porter", "porter2", "light_english", "minimal_english"):
        return lambda tokens: [replace(token, text=stem(token.text)) for token in tokens]
    if language == "possessive_english":
        return lambda tokens: [replace(token, text=possessive(token.text)) for token in tokens]
    native = _native_stemmer(language)
    return lambda tokens: [replace(token, text=native(token.text)) for token in tokens]


def _native_stemmer(language: str) -> Callable[[str], str]:
    # tantivy is large and imported only when an index asks for a language.
    import tantivy

    plain = language.removeprefix("light_").removeprefix("minimal_")
    try:
        maker = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw()).filter(tantivy.Filter.stemmer(plain)).build()
    except ValueError as error:
        raise ValueError(f"Invalid stemmer class specified: {language}") from error
    return lambda text: (maker.analyze(text) or [text])[0]


def _length(params: Object) -> Filter:
    low, high = int(params.get("min", 0)), int(params.get("max", 1 << 31))
    return lambda tokens: [token for token in tokens if low <= len(token.text) <= high]


def _truncate(params: Object) -> Filter:
    length = int(params.get("length", 10))
    return lambda tokens: [replace(token, text=token.text[:length]) for token in tokens]


def _limit(params: Object) -> Filter:
    most = int(params.get("max_token_count", 1))
    return lambda tokens: tokens[:most]


def _unique(params: Object) -> Filter:
    return lambda tokens: list({token.text: token for token in reversed(tokens)}.values())[::-1]


def _edge(params: Object) -> Filter:
    low, high = int(params.get("min_gram", 1)), int(params.get("max_gram", 2))
    if low > high:
        raise ValueError("minGram must not be greater than maxGram")
    keeps = params.get("preserve_original") in (True, "true")

    def cut(tokens: list[Token]) -> list[Token]:
        found = []
        for token in tokens:
            sizes = range(low, min(high, len(token.text)) + 1)
            found += [replace(token, text=token.text[:size]) for size in sizes]
            if keeps and len(token.text) not in sizes:
                found.append(token)
        return found

    return cut


def _ngram(params: Object) -> Filter:
    low, high = int(params.get("min_gram", 1)), int(params.get("max_gram", 2))
    return lambda tokens: [
        replace(token, text=token.text[start : start + size])
        for token in tokens
        for start in range(len(token.text))
        for size in range(low, min(high, len(token.text) - start) + 1)
    ]


def _shingle(params: Object) -> Filter:
    low, high = int(params.get("min_shingle_size", 2)), int(params.get("max_shingle_size", 2))
    separator = str(params.get("token_separator", " "))
    unigrams = params.get("output_unigrams", True) in (True, "true")

    def cut(tokens: list[Token]) -> list[Token]:
        found = []
        for index, token in enumerate(tokens):
            found += [token] if unigrams else []
            for size in range(low, high + 1):
                part = tokens[index : index + size]
                if len(part) == size:
                    text = separator.join(one.text for one in part)
                    found.append(Token(text, token.start, part[-1].end, token.position, "shingle"))
        return found

    return cut


def _synonym(params: Object) -> Filter:
    table: dict[str, list[str]] = {}
    for line in params.get("synonyms", []):
        left, arrow, right = str(line).partition("=>")
        words = [word.strip().lower() for word in left.split(",")]
        want = [word.strip().lower() for word in right.split(",")] if arrow else words
        for word in words:
            table.setdefault(word, []).extend(one for one in want if one not in table.get(word, []))

    def widen(tokens: list[Token]) -> list[Token]:
        found = []
        for token in tokens:
            known = table.get(token.text)
            found += (
                [replace(token, text=text, kind="SYNONYM" if text != token.text else token.kind) for text in known]
                if known
                else [token]
            )
        return found

    return widen


def _keep(params: Object) -> Filter:
    words = {str(word) for word in params.get("keep_words", [])}
    return lambda tokens: [token for token in tokens if token.text in words]


def _replace_pattern(params: Object) -> Filter:
    expression = re.compile(str(params.get("pattern", "")))
    better = re.sub(r"\$(\d)", r"\\\1", str(params.get("replacement", "")))
    return lambda tokens: [replace(token, text=expression.sub(better, token.text)) for token in tokens]


def _delimiter(params: Object) -> Filter:
    pattern = re.compile(r"[^\W\d_]+|\d+")
    case = re.compile(r"[A-ZÀ-Þ]+(?![a-zß-ÿ])|[A-ZÀ-Þ]?[a-zß-ÿ]+|\d+|[^\W\d_]+")
    splits_case = params.get("split_on_case_change", True) in (True, "true")
    keeps = params.get("preserve_original") in (True, "true")

    def cut(tokens: list[Token]) -> list[Token]:
        found: list[Token] = []
        shift = 0
        for token in tokens:
            parts = list((case if splits_case else pattern).finditer(token.text))
            if keeps and len(parts) != 1:
                found.append(replace(token, position=token.position + shift))
            for index, part in enumerate(parts):
                start = token.start + part.start()
                found.append(Token(part[0], start, start + len(part[0]), token.position + shift + index, token.kind))
            shift += max(0, len(parts) - 1)
        return found

    return cut


def _nothing(params: Object) -> Filter:
    return lambda tokens: tokens


_MAKERS: dict[str, Callable[[Object], Filter]] = {
    "stemmer": _stemmer,
    "snowball": _stemmer,
    "length": _length,
    "truncate": _truncate,
    "limit": _limit,
    "unique": _unique,
    "edge_ngram": _edge,
    "edgeNGram": _edge,
    "ngram": _ngram,
    "nGram": _ngram,
    "shingle": _shingle,
    "synonym": _synonym,
    "synonym_graph": _synonym,
    "keep": _keep,
    "pattern_replace": _replace_pattern,
    "word_delimiter": _delimiter,
    "word_delimiter_graph": _delimiter,
    "flatten_graph": _nothing,
    "remove_duplicates": lambda params: (
        lambda tokens: [
            token
            for index, token in enumerate(tokens)
            if not any(one.text == token.text and one.position == token.position for one in tokens[:index])
        ]
    ),
}


def _pair(line: str) -> tuple[str, str]:
    left, _, right = line.partition("=>")
    return left.strip(), right.strip()


def names() -> Sequence[str]:
    """All types of token filters there are."""
    return sorted({*_EACH, *_MAKERS, "stop"})
