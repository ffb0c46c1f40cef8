"""Which images there are: one file, replaced as a whole and on disk before it counts.

The rules of naming are here too: a name belongs to one image, an id or a prefix of it finds one, short
names complete as Docker completes them. Source: Docker's image store behaviour.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from maru.core.errors import Broken, Invalid
from maru.linux.files import is_full, sync_folder_blocking
from maru.wire.oci.reference import Reference, parse_reference

SPARE_BYTES = 1 << 20  # kept free for the index itself
ID_PREFIX_MIN = 4  # digits of an id that may stand for it


class Stored(msgspec.Struct):
    """One image. id: digest of its config. manifest: digest of its manifest. blobs: config and layers as stored.

    names: repository:tag; digests: repository@digest; layers: diff ids, lowest first. parent, step: of a build.
    named_at: when it last got a name, RFC 3339.
    """

    id: str
    manifest: str
    blobs: list[str]
    layers: list[str]
    size_bytes: int
    names: list[str] = []
    digests: list[str] = []
    parent: str = ""
    step: str = ""
    named_at: str = ""


class _File(msgspec.Struct):
    images: list[Stored]
    version: int = 1


class Index:
    """The images by id; changes are in memory until `save_blocking`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._spare = file.with_name("spare")
        self._by_id: dict[str, Stored] = {}

    def load_blocking(self) -> None:
        """Read the file; what was not saved is forgotten. Raises Broken when it is damaged."""
        if not self._file.exists():
            self._by_id = {}
            return
        try:
            content = msgspec.json.decode(self._file.read_bytes(), type=_File)
        except msgspec.DecodeError as error:
            raise Broken(what=str(self._file), why=str(error), fix="move it away; images are pulled again") from error
        self._by_id = {stored.id: stored for stored in content.images}

    def encode(self) -> bytes:
        """What to save, as of now."""
        return msgspec.json.encode(_File(list(self._by_id.values())))

    def save_blocking(self, content: bytes) -> None:
        """Replace the file, durably: on a full disk in the room kept for that. Raises OSError."""
        try:
            self._replace_blocking(content)
        except OSError as error:
            if not is_full(error):
                raise
            self._spare.unlink(missing_ok=True)
            self._replace_blocking(content)
        self._keep_room_blocking()

    def _replace_blocking(self, content: bytes) -> None:
        fresh = self._file.with_suffix(".new")
        try:
            with fresh.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(self._file)
        finally:
            fresh.unlink(missing_ok=True)
        sync_folder_blocking(str(self._file.parent))

    def _keep_room_blocking(self) -> None:
        """So that images can be removed from a full disk."""
        if self._spare.exists():
            return
        try:
            with self._spare.open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, SPARE_BYTES)
        except OSError:
            self._spare.unlink(missing_ok=True)

    def all(self) -> Sequence[Stored]:
        return list(self._by_id.values())

    def find(self, text: str) -> Stored | None:
        """By id, by name, by repository@digest, or by a prefix of an id that only one image has."""
        digits = text.removeprefix("sha256:")
        if len(digits) == 64 and (exact := self._by_id.get(f"sha256:{digits}")):
            return exact
        try:
            reference = parse_reference(text)
        except ValueError:
            reference = None
        if reference is not None and (named := self._named(reference)):
            return named
        if len(digits) < ID_PREFIX_MIN:
            return None
        fitting = [stored for stored in self._by_id.values() if stored.id[7:].startswith(digits)]
        return fitting[0] if len(fitting) == 1 else None

    def put(self, stored: Stored) -> Stored:
        """Add an image, or bring the one of that id up to date; names are kept."""
        known = self._by_id.setdefault(stored.id, stored)
        known.manifest, known.blobs = stored.manifest, stored.blobs
        known.size_bytes, known.layers = stored.size_bytes, stored.layers
        return known

    def name(self, stored: Stored, reference: Reference, digest: str = "") -> None:
        """Give an image a name (and take it from whoever had it), and note the digest it was pulled by."""
        if not reference.digest:
            for other in self._by_id.values():
                other.names = [name for name in other.names if name != reference.tagged]
            stored.names.append(reference.tagged)
        pulled = f"{reference.name}@{digest}"
        if digest and pulled not in stored.digests:
            stored.digests.append(pulled)

    def children(self, image_id: str) -> Sequence[Stored]:
        """Those that were built upon it."""
        return [stored for stored in self._by_id.values() if stored.parent == image_id]

    def drop(self, image_id: str) -> None:
        self._by_id.pop(image_id, None)

    def _named(self, reference: Reference) -> Stored | None:
        for stored in self._by_id.values():
            if reference.digest:
                if f"{reference.name}@{reference.digest}" in stored.digests:
                    return stored
            elif reference.tagged in stored.names:
                return stored
        return None


def parse(text: str) -> Reference:
    """A complete reference. Raises Invalid."""
    try:
        return parse_reference(text)
    except ValueError as error:
        raise Invalid(what=f"image reference {text!r}", why=str(error), fix="write repository:tag") from error
