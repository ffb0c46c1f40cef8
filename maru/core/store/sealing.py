"""Which documents stand sealed in the file, and how: AES-256-GCM under a key that is outside of the store.

A body is bound to its place and its revision: moved to another row, or put back in the place of a
newer one, it does not open. A sealed body begins with the sealer's version byte, a clear one is JSON
and begins with a brace, so the two are told apart by their first byte.
Source: docs/adr/0011-sealed-secrets.md; Kubernetes, "Encrypting Confidential Data at Rest".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from maru.core.document import Key
from maru.core.errors import Broken
from maru.core.identity.seal import RootKeySealer

SEALED_STORAGES = frozenset({"secrets"})
"""What a platform seals, by the names of `Resource.storage`."""

_CLEAR = b"{"


@dataclass(frozen=True, slots=True)
class Sealing:
    """storages: those whose bodies are sealed from now on.

    read_key_blocking: called once, on the journal's thread, with whether a key may be made if there is
    none, which is so as long as nothing is sealed. Raises Broken if there is none and none may be made.
    """

    read_key_blocking: Callable[[bool], RootKeySealer]
    storages: frozenset[str] = SEALED_STORAGES


@dataclass(frozen=True, slots=True)
class Seal:
    """Turns bodies into what stands in the file and back."""

    storages: frozenset[str]
    sealer: RootKeySealer

    def closed(self, key: Key, version: int, body: bytes) -> bytes:
        """The bytes for the file: sealed if documents of this storage are."""
        return self.sealer.seal(body, _context(key, version)) if key.storage in self.storages else body

    def opened(self, key: Key, version: int, stored: bytes) -> bytes:
        """The body. Raises Broken, naming the document, when the key is another one or the bytes are not its own."""
        if stored[:1] == _CLEAR:
            return stored
        try:
            return self.sealer.open(stored, _context(key, version))
        except Broken as error:
            raise Broken(
                what=f"document {key}",
                why=f"it stands sealed in the store, and {error.why}",
                fix="put back the root key (access/root.key in the data folder) that belongs to this store, "
                "or both from the same backup",
            ) from error

    def is_owed(self, key: Key, stored: bytes) -> bool:
        """Whether the body stands in the clear and should not."""
        return key.storage in self.storages and stored[:1] == _CLEAR


def _context(key: Key, version: int) -> bytes:
    return "\0".join((key.storage, key.namespace, key.name, str(version))).encode()
