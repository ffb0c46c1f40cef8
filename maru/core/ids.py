"""Identifiers and randomness, as things that are handed in.

The alphabet of name suffixes leaves out vowels and look-alikes, as Kubernetes does
(k8s.io/apimachinery/pkg/util/rand), so that no suffix spells a word.
"""

from __future__ import annotations

import os
import random
import secrets
import uuid
from typing import Protocol

_VERSION_4 = 0x4 << 76 | 0x8 << 60  # and the variant of RFC 9562, section 4.1
_RANDOM_BITS = (1 << 128) - 1 ^ 0xF << 76 ^ 0xC << 60
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
        # As uuid.uuid4 draws it, without the object: every request has one or two.
        drawn = int.from_bytes(os.urandom(16), "big")
        text = f"{drawn & _RANDOM_BITS | _VERSION_4:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

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
