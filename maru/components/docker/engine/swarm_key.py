"""The key that a swarm's secrets are sealed with: a file of its own, outside of the store, or (auto-lock) locked.

A locked key is sealed itself under the unlock key, which is kept nowhere in plain text but with whoever was
shown it: after a restart nothing opens until somebody brings it.
Source: Docker's documentation, "Lock your swarm to protect its encryption key".
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from pathlib import Path

from maru.core.errors import Broken, Invalid
from maru.core.identity.files import read_blocking, write_private_blocking
from maru.core.identity.seal import ROOT_KEY_BYTES, RootKeySealer

_CONTEXT = b"swarm root key"


class SwarmKey:
    """The key file of one swarm in `folder`. All calls block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open, self._locked = folder / "root.key", folder / "root.key.locked"

    @property
    def is_locked(self) -> bool:
        return self._locked.exists()

    def make_blocking(self) -> bytes:
        """A new key, in plain text."""
        self.remove_blocking()
        self._folder.mkdir(mode=0o700, parents=True)
        key = secrets.token_bytes(ROOT_KEY_BYTES)
        write_private_blocking(self._open, key)
        return key

    def read_blocking(self) -> bytes:
        """Raises Broken when it is not there, or locked."""
        key = read_blocking(self._open)
        if key is None or len(key) != ROOT_KEY_BYTES:
            raise Broken(what=f"swarm key {self._open}", why="it is missing or damaged", fix="restore it from a backup")
        return key

    def lock_blocking(self, key: bytes, unlock_key: str) -> None:
        """From the next start on the unlock key is needed."""
        write_private_blocking(self._locked, _under(unlock_key).seal(key, _CONTEXT))
        self._open.unlink(missing_ok=True)

    def keep_open_blocking(self, key: bytes) -> None:
        """The opposite."""
        write_private_blocking(self._open, key)
        self._locked.unlink(missing_ok=True)

    def unlock_blocking(self, unlock_key: str) -> bytes:
        """The key. Raises Invalid for another unlock key."""
        sealed = read_blocking(self._locked)
        try:
            return _under(unlock_key).open(sealed or b"", _CONTEXT)
        except Broken as error:
            raise Invalid(what="invalid key", why="") from error

    def remove_blocking(self) -> None:
        """Idempotent."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _under(unlock_key: str) -> RootKeySealer:
    return RootKeySealer(hashlib.sha256(unlock_key.encode()).digest())
