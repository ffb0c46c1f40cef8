"""The Porter stemmer, as the analyzer `english` uses it.

Source: M. F. Porter, "An algorithm for suffix stripping", Program 14 (1980) 130-137.
"""

from __future__ import annotations

_STEP2 = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("logi", "log"),
)
_STEP3 = (
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
_STEP4 = (
    "al",
    "ance",
    "ence",
    "er",
    "ic",
    "able",
    "ible",
    "ant",
    "ement",
    "ment",
    "ent",
    "ion",
    "ou",
    "ism",
    "ate",
    "iti",
    "ous",
    "ive",
    "ize",
)


def stem(word: str) -> str:
    """The stem of a word in lower case; words under three letters are their own."""
    if len(word) < 3:
        return word
    word = _plural(word)
    word = _past(word)
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    word = _replace(word, _STEP2)
    word = _replace(word, _STEP3)
    word = _strip(word)
    if word.endswith("e"):
        stump = word[:-1]
        if _measure(stump) > 1 or (_measure(stump) == 1 and not _ends_cvc(stump)):
            word = stump
    if word.endswith("ll") and _measure(word[:-1]) > 1:
        word = word[:-1]
    return word


def _plural(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for ending in ("ed", "ing"):
        stump = word.removesuffix(ending)
        if stump != word:
            if not _has_vowel(stump):
                return word
            if stump.endswith(("at", "bl", "iz")):
                return stump + "e"
            if len(stump) > 1 and stump[-1] == stump[-2] and not _is_vowel(stump, len(stump) - 1):
                return stump if stump[-1] in "lsz" else stump[:-1]
            return stump + "e" if _measure(stump) == 1 and _ends_cvc(stump) else stump
    return word


def _replace(word: str, table: tuple[tuple[str, str], ...]) -> str:
    for ending, better in table:
        if word.endswith(ending):
            stump = word[: -len(ending)]
            return stump + better if _measure(stump) > 0 else word
    return word


def _strip(word: str) -> str:
    for ending in sorted(_STEP4, key=len, reverse=True):
        if word.endswith(ending):
            stump = word[: -len(ending)]
            if _measure(stump) > 1 and (ending != "ion" or stump.endswith(("s", "t"))):
                return stump
            return word
    return word


def _is_vowel(word: str, at: int) -> bool:
    letter = word[at]
    return letter in "aeiou" or (letter == "y" and at > 0 and not _is_vowel(word, at - 1))


def _has_vowel(word: str) -> bool:
    return any(_is_vowel(word, at) for at in range(len(word)))


def _measure(word: str) -> int:
    """How often a vowel is followed by a consonant."""
    count, before = 0, False
    for at in range(len(word)):
        now = _is_vowel(word, at)
        count += before and not now
        before = now
    return count


def _ends_cvc(word: str) -> bool:
    size = len(word)
    return (
        size > 2
        and not _is_vowel(word, size - 1)
        and _is_vowel(word, size - 2)
        and not _is_vowel(word, size - 3)
        and word[-1] not in "wxy"
    )
