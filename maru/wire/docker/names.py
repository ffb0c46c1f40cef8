"""Names of containers: what is allowed, and names for those that got none. Source: moby daemon/names."""

from __future__ import annotations

import re

_ALLOWED = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")

_MOODS = """
amber brave bright calm candid clever cosy eager fair fleet gentle glad golden graceful happy hardy humble keen kind
lively loyal lucid mellow merry mild neat nimble noble patient placid plucky polite proud quick quiet ready serene
sharp sincere smart snug steady sunny swift tidy warm wise witty young zesty
"""
_PEOPLE = """
agnesi babbage bhabha boole bose cantor chern curie darwin dijkstra euler faraday fermat franklin galois gauss germain
goodall hamilton heisenberg hilbert hopper hypatia jang johnson kepler knuth kovalevskaya lamarr leavitt lovelace
maxwell meitner mendel mirzakhani newton noether pascal payne ramanujan ride sejong tesla torvalds turing volta wiles
wright wu yalow
"""


def is_name(text: str) -> bool:
    """Whether a container or volume may be called so (one leading slash is no part of it)."""
    return _ALLOWED.fullmatch(text) is not None


def name_for(fraction: float, attempt: int) -> str:
    """A name chosen by `fraction` in [0, 1); later attempts carry a digit."""
    moods, people = _MOODS.split(), _PEOPLE.split()
    mood, person = divmod(int(fraction * len(moods) * len(people)), len(people))
    return f"{moods[mood]}_{people[person]}{attempt or ''}"
