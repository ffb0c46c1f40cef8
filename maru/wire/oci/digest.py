"""Digests: an algorithm and what it makes of content, in hexadecimal.

How many digits there are says which algorithm it was, so content on disk is named by its digits alone.
Source: OCI image specification 1.1, descriptor.md "Digests"; github.com/opencontainers/go-digest.
"""

from __future__ import annotations

import hashlib

CANONICAL = "sha256"
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_ALGORITHMS = {count: name for name, count in _DIGITS.items()}
_HEXADECIMAL = frozenset("0123456789abcdef")


def is_digest(text: str) -> bool:
    """Whether `text` reads algorithm:hex with an algorithm that is known and all of its digits."""
    algorithm, _, digits = text.partition(":")
    return len(digits) == _DIGITS.get(algorithm) and _HEXADECIMAL.issuperset(digits)


def algorithm_of(digest: str) -> str:
    """The algorithm of a digest; the canonical one of what is none."""
    algorithm = digest.partition(":")[0]
    return algorithm if algorithm in _DIGITS else CANONICAL


def digits_of(digest: str) -> str:
    """What follows the algorithm."""
    return digest.partition(":")[2]


def digest_named(digits: str) -> str:
    """The digest that has these digits. Raises ValueError when no algorithm makes so many."""
    algorithm = _ALGORITHMS.get(len(digits))
    if algorithm is None:
        raise ValueError(f"{digits!r} are the digits of no digest")
    return f"{algorithm}:{digits}"


def digest_of(content: bytes, algorithm: str = CANONICAL) -> str:
    """The digest of `content`."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
