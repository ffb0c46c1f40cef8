"""Identifiers and randomness, as things that are handed in.

The alphabet of name suffixes leaves out vowels and look-alikes, as Kubernetes does
(k8s.io/apimachinery/pkg/util/rand), so that no suffix spells a word.
"""

from __future__ import annotations

import random
import secrets
import uuid
from typing import Protocol

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class Ids(Protocol):
    """Where new identifiers and random choices come from."""

    def uid(self) -> str:
        """A new UUID version 4 in its 36 character form."""
        ...

    def suffix(self, length: int = 5) -> str:
        """`length` characters of the suffix alphabet."""
        ...

    def secret(self, length_bytes: int = 32) -> str:
        """A token nobody can guess, URL-safe, of `length_bytes` random bytes."""
        ...

    def fraction(self) -> float:
        """A number in [0, 1) for jitter."""
        ...


class SystemIds:
    """The machine's randomness."""

    def uid(self) -> str:
        return str(uuid.uuid4())

    def suffix(self, length: int = 5) -> str:
        base = len(SUFFIX_ALPHABET)
        drawn = secrets.randbelow(base**length)
        return "".join(SUFFIX_ALPHABET[drawn // base**place % base] for place in range(length))

    def secret(self, length_bytes: int = 32) -> str:
        return secrets.token_urlsafe(length_bytes)

    def fraction(self) -> float:
        return random.random()  # noqa: S311 - jitter, not a secret


class SeededIds:
    """Identifiers from a seed, for simulations: the same seed gives the same run."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a simulation wants it repeatable

    def uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        return "".join(self._random.choice(SUFFIX_ALPHABET) for _ in range(length))

    def secret(self, length_bytes: int = 32) -> str:
        return self._random.randbytes(length_bytes).hex()

    def fraction(self) -> float:
        return self._random.random()
