"""Sealing: secrets at rest are only ever stored under a key that lives outside of the store."""

from __future__ import annotations

from typing import Protocol


class Sealer(Protocol):
    """Authenticated encryption (AES-256-GCM) under the platform's root key."""

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """`plain` encrypted; `context` (for instance the document's key) is authenticated, not stored."""
        ...

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The plain bytes. Raises Broken when they were changed or `context` is another one."""
        ...
