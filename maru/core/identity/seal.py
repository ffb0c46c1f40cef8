"""Secrets at rest: AES-256-GCM under a root key that lives outside of the store.

Every message gets a key of its own, derived from the root key and a random salt (HKDF), so that
random nonces stay safe for any number of messages. Sealed form: one byte version, 16 bytes salt,
12 bytes nonce, then the ciphertext with its 16 byte tag.
Source: NIST SP 800-38D; RFC 5869.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from maru.core.errors import Broken
from maru.core.identity.files import read_blocking, write_private_blocking

ROOT_KEY_BYTES = 32
_VERSION = b"\x01"
_SALT_BYTES = 16
_NONCE_BYTES = 12
_HEAD_BYTES = 1 + _SALT_BYTES + _NONCE_BYTES
_TAG_BYTES = 16


class RootKeySealer:
    """Seals and opens under one root key of ROOT_KEY_BYTES."""

    def __init__(self, root_key: bytes) -> None:
        assert len(root_key) == ROOT_KEY_BYTES
        self._root_key = root_key

    @classmethod
    def open_blocking(cls, path: Path, *, may_make: bool = True) -> RootKeySealer:
        """With the root key in `path`, made if it is missing and may be.

        Raises Broken if it has another size, or is missing where things are sealed under it already.
        """
        root_key = read_blocking(path)
        if root_key is None:
            if not may_make:
                raise Broken(
                    what=f"root key {path}",
                    why="it is missing, and there are secrets that only it opens",
                    fix="restore it from a backup, or start anew: maru reset",
                )
            root_key = secrets.token_bytes(ROOT_KEY_BYTES)
            write_private_blocking(path, root_key)
        if len(root_key) != ROOT_KEY_BYTES:
            raise Broken(
                what=f"root key {path}", why=f"it is not {ROOT_KEY_BYTES} bytes long", fix="restore it from a backup"
            )
        return cls(root_key)

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """`plain` encrypted; `context` is authenticated, not stored."""
        salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + salt + nonce + self._cipher(salt).encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The plain bytes. Raises Broken when they were changed or `context` is another one."""
        if len(sealed) < _HEAD_BYTES + _TAG_BYTES or sealed[:1] != _VERSION:
            raise _broken("it is not in a form this version knows")
        salt, nonce = sealed[1 : 1 + _SALT_BYTES], sealed[1 + _SALT_BYTES : _HEAD_BYTES]
        try:
            return self._cipher(salt).decrypt(nonce, sealed[_HEAD_BYTES:], context)
        except InvalidTag as error:
            raise _broken("it was changed, moved, or sealed under another root key") from error

    def _cipher(self, salt: bytes) -> AESGCM:
        return AESGCM(
            HKDF(algorithm=SHA256(), length=ROOT_KEY_BYTES, salt=salt, info=b"maru seal").derive(self._root_key)
        )


def _broken(why: str) -> Broken:
    return Broken(what="a sealed secret", why=why, fix="restore the root key and the store from the same backup")
