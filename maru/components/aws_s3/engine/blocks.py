"""Content as it stands on disk: blocks of AES-256-GCM, each with its tag, under a key of its content alone.

The key is derived from the object's data key and the content's salt, so a nonce (the block's number) is
never used twice under one key; the tag is the checksum that every read verifies. The last block is marked
in the authenticated data, so that a file cut at a block's end is noticed.
Source: NIST SP 800-38D; STREAM (Hoang et al., 2015) for the marked last block.
"""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from maru.core.errors import Broken

BLOCK_BYTES = 256 * 1024
TAG_BYTES = 16
STORED_BYTES = BLOCK_BYTES + TAG_BYTES


def block_count(size_bytes: int) -> int:
    """Blocks of a content of `size_bytes`; at least one."""
    return max(1, -(-size_bytes // BLOCK_BYTES))


class Cipher:
    """The blocks of one content. data_key: 32 bytes; salt: the content's, never used for another."""

    def __init__(self, data_key: bytes, salt: str) -> None:
        self._cipher = AESGCM(hmac.digest(data_key, b"content " + salt.encode(), "sha256"))

    def seal(self, number: int, plain: bytes | memoryview, *, is_last: bool) -> bytes:
        """A block as it is stored: the ciphertext and its tag."""
        return self._cipher.encrypt(number.to_bytes(12, "big"), plain, _marked(is_last))

    def open(self, number: int, stored: bytes | memoryview, *, is_last: bool) -> bytes:
        """The plain block. Raises Broken when a bit of it changed."""
        try:
            return self._cipher.decrypt(number.to_bytes(12, "big"), stored, _marked(is_last))
        except InvalidTag as error:
            why = f"block {number} fails its check"
            raise Broken(what="content of an object", why=why, fix="restore it from a backup") from error


def _marked(is_last: bool) -> bytes:
    return b"last" if is_last else b"more"
