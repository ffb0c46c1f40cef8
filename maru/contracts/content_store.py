"""Content by digest, shared with the images: every byte is stored once, whoever refers to it.

A holder is a name under which content is kept: what a holder holds stays, also across restarts, until
it lets go; what nobody holds and no image or container stands on is deleted.
Source: OCI image specification 1.1, descriptor.md "Digests".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Protocol


class ContentUpload(Protocol):
    """Content on its way in. One caller at a time. Gone with the process until it is kept."""

    @property
    def size_bytes(self) -> int:
        """What was written so far."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Append. Raises Unavailable (a full disk)."""
        ...

    async def keep(self, holder: str, digest: str) -> None:
        """What was written is `digest` and held by `holder`, on disk when this returns; the upload is over.

        Raises Invalid when its digest is another one (the upload stays), Unavailable (a full disk).
        """
        ...

    async def discard(self) -> None:
        """Forget it; idempotent."""
        ...


class ContentStore(Protocol):
    """Digests are by sha256, sha384 or sha512, others are Invalid; by each, the same content is kept apart.

    Holders: [a-z]+.
    """

    def size_bytes(self, digest: str) -> int | None:
        """The size of content that is here; None when it is not."""
        ...

    def read(self, digest: str, first: int = 0, count: int | None = None) -> AsyncIterator[bytes]:
        """`count` bytes (None: all) from offset `first` on, in pieces. Raises NotFound."""
        ...

    def begin(self) -> ContentUpload: ...

    async def put(self, holder: str, content: bytes, algorithm: str = "sha256") -> str:
        """Keep small content for `holder`, on disk when this returns; its digest. Raises Unavailable."""
        ...

    async def held(self, holder: str) -> Collection[str]:
        """The digests a holder holds."""
        ...

    async def release(self, holder: str, digests: Collection[str]) -> None:
        """Let go of `digests` (those not held are skipped) and delete what nobody refers to any more."""
        ...
