"""The hash that tells one Pod template from another, as a name and label suffix.

The form is the real one (FNV-1a of 32 bits, written in the alphabet without vowels); the bytes that
are hashed are Maru's own canonical JSON. Source: k8s.io/kubernetes/pkg/controller,
ComputeHash; k8s.io/apimachinery/pkg/util/rand, SafeEncodeString.
"""

from __future__ import annotations

import msgspec

from maru.core.document import Value
from maru.core.ids import SUFFIX_ALPHABET


def fnv1a(content: bytes) -> int:
    """FNV-1a, 32 bits."""
    value = 0x811C9DC5
    for byte in content:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def safe_encoded(text: str) -> str:
    """`text` with every character replaced by one of the suffix alphabet."""
    return "".join(SUFFIX_ALPHABET[ord(character) % len(SUFFIX_ALPHABET)] for character in text)


def template_hash(template: Value, collisions: int | None) -> str:
    """At most 10 characters; the same template and collision count give the same hash."""
    content = msgspec.json.encode(template, order="deterministic")
    if collisions is not None:
        content += collisions.to_bytes(8, "little")
    return safe_encoded(str(fnv1a(content)))
