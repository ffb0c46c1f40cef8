"""The content of images on disk: blobs by digest, layers unpacked by the digest of what they unpack from.

Everything is written beside its place and moved there once it is whole and on disk, so that what is
found under a digest is that content, also after a crash. Source: OCI image specification 1.1,
image-layout.md `blobs`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from maru.components.engine.engine import unpack
from maru.core.errors import Invalid, Unavailable
from maru.core.ids import Ids
from maru.linux.files import reason_of, sync_filesystem_blocking, sync_folder_blocking
from maru.linux.processes import Command, run
from maru.wire.oci.digest import CANONICAL, digest_named, digest_of, digits_of, is_digest

UNPACK_DEADLINE_S = 1800.0
LAYER_BYTES_MAX = 64 << 30  # unpacked; what stops an archive that unpacks to more than any disk
READ_BYTES = 1 << 20
_REFUSED = 2

Pin = Callable[..., None]


class Content:
    """blobs/ (by algorithm), layers/, held/ and partial/ under `folder`."""

    def __init__(self, folder: Path, ids: Ids) -> None:
        self._blobs = folder / "blobs"
        self._layers = folder / "layers"
        self._partial = folder / "partial"
        self._held = folder / "held"
        self._ids = ids
        self._unpacking: dict[str, asyncio.Lock] = {}
        self._layer_bytes: dict[str, int] = {}
        self._pins: Counter[str] = Counter()
        self._pinning = threading.Lock()  # between a pin and the deletion that would cross it

    @contextmanager
    def pinned(self) -> Iterator[Pin]:
        """A scope whose digests are not deleted; call the value with those that are to be relied on."""
        mine: Counter[str] = Counter()

        def pin(*digests: str) -> None:
            mine.update(digests)
            with self._pinning:
                self._pins.update(digests)

        try:
            yield pin
        finally:
            with self._pinning:
                self._pins -= mine

    def open_blocking(self) -> None:
        """Make the folders; what a crash left half written goes."""
        shutil.rmtree(self._partial, ignore_errors=True)
        for folder in (self._blobs / CANONICAL, self._layers, self._partial, self._held):
            folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        for leftover in self._layers.glob("new-*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def blob(self, digest: str) -> Path:
        _check(digest)
        return self._blobs.joinpath(*digest.split(":"))

    def layer(self, diff_id: str) -> Path:
        _check(diff_id)
        return self._layers / digits_of(diff_id)

    def layers_among(self, paths: Iterable[str]) -> set[str]:
        """The digests of those folders that are layers here."""
        return {digest_named(Path(path).name) for path in paths if Path(path).parent == self._layers}

    def layer_bytes_blocking(self, diff_ids: Sequence[str]) -> Sequence[int]:
        """Bytes of the files of each of these layers, links by the length of what they name; folders count nothing."""
        for diff_id in diff_ids:
            if diff_id not in self._layer_bytes:
                self._layer_bytes[diff_id] = _file_bytes_blocking(self.layer(diff_id))
        return [self._layer_bytes[diff_id] for diff_id in diff_ids]

    def partial(self) -> Path:
        """A new path for something not whole yet."""
        return self._partial / self._ids.uid()

    def put_blocking(self, content: bytes, algorithm: str = CANONICAL) -> str:
        """Keep a small blob; its digest."""
        digest = digest_of(content, algorithm)
        if not self.blob(digest).exists():
            fresh = self.partial()
            try:
                fresh.write_bytes(content)
                self.adopt_blocking(fresh, digest)
            finally:
                fresh.unlink(missing_ok=True)
        return digest

    def adopt_blocking(self, file: Path, digest: str) -> None:
        """Move a whole file, whose digest the caller has checked and pinned, to its place.

        Where that content is already, it stays: others may have links to it.
        """
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        place = self.blob(digest)
        if place.exists():
            file.unlink()
        else:
            place.parent.mkdir(mode=0o711, exist_ok=True)
            file.replace(place)
        sync_folder_blocking(str(place.parent))

    def hold_blocking(self, holder: str, digest: str) -> None:
        """Let `holder` refer to a blob that is here, durably. Raises OSError."""
        folder = self._held / holder
        if not folder.is_dir():
            folder.mkdir(mode=0o711, exist_ok=True)
            sync_folder_blocking(str(self._held))
        with suppress(FileExistsError), self._pinning:
            os.link(self.blob(digest), folder / digits_of(digest))
        sync_folder_blocking(str(folder))

    def held_blocking(self, holder: str) -> set[str]:
        """The digests that `holder` refers to."""
        folder = self._held / holder
        return {digest_named(file.name) for file in folder.iterdir()} if folder.is_dir() else set()

    def release_blocking(self, holder: str, digests: Collection[str]) -> None:
        """Take references back; the blobs stay until `keep_only_blocking`."""
        for digest in digests:
            (self._held / holder / digits_of(digest)).unlink(missing_ok=True)

    async def unpack(self, digest: str, diff_id: str) -> None:
        """Unpack a blob as the layer `diff_id`; nothing to do if that is there.

        Raises Invalid when the archive is malformed or not what the digest says.
        """
        lock = self._unpacking.setdefault(diff_id, asyncio.Lock())
        async with lock:
            if not self.layer(diff_id).exists():
                await self._unpack(digest, diff_id)
        if not lock.locked():
            self._unpacking.pop(diff_id, None)

    def blobs(self) -> Sequence[str]:
        """The digests of all blobs; what else somebody put there is left alone."""
        return [name for file in self._blobs.glob("*/*") if is_digest(name := f"{file.parent.name}:{file.name}")]

    def layers(self) -> Sequence[str]:
        """The digests of all unpacked layers."""
        return [digest_named(folder.name) for folder in self._layers.iterdir() if "-" not in folder.name]

    def keep_only_blocking(self, blobs: Collection[str], layers: Collection[str]) -> list[str]:
        """Delete every other blob and layer that is not pinned or held; the layers that went."""
        for digest in self.blobs():
            if digest not in blobs:
                with self._pinning:
                    if digest not in self._pins and not self._is_held(digest):
                        self.blob(digest).unlink(missing_ok=True)
        gone = []
        for diff_id in self.layers():
            if diff_id in layers:
                continue
            doomed = self._layers / f"new-{self._ids.uid()}"
            with self._pinning:
                if diff_id in self._pins:
                    continue
                self.layer(diff_id).rename(doomed)
            gone.append(diff_id)
            self._layer_bytes.pop(diff_id, None)
            shutil.rmtree(doomed, ignore_errors=True)
        return gone

    def _is_held(self, digest: str) -> bool:
        try:
            return self.blob(digest).stat().st_nlink > 1
        except FileNotFoundError:
            return False

    async def _unpack(self, digest: str, diff_id: str) -> None:
        fresh = self._layers / f"new-{self._ids.uid()}"
        await asyncio.to_thread(fresh.mkdir, 0o755)
        try:
            arguments = (str(self.blob(digest)), str(fresh), diff_id, str(LAYER_BYTES_MAX))
            command = Command([sys.executable, "-I", _file_of(unpack), *arguments], {"LC_ALL": "C.UTF-8"}, cwd="/")
            finished = await run(command, UNPACK_DEADLINE_S)
            if finished.code != 0:
                why = finished.output.decode(errors="replace").strip() or f"the unpacker ended with {finished.code}"
                error = Invalid if finished.code == _REFUSED else Unavailable
                raise error(what=f"layer {digest}", why=why, fix="")
            await asyncio.to_thread(self._settle_blocking, fresh, diff_id)
        finally:
            await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)

    def _settle_blocking(self, fresh: Path, diff_id: str) -> None:
        sync_filesystem_blocking(str(fresh))
        fresh.rename(self.layer(diff_id))
        sync_folder_blocking(str(self._layers))


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """A disk that is full or broken becomes an Unavailable that says so."""
    try:
        yield
    except OSError as error:
        raise Unavailable(what=what, why=reason_of(error), fix="", status=500) from error


def digest_of_blocking(file: Path, algorithm: str = CANONICAL) -> str:
    """The digest of a file's content."""
    with file.open("rb") as stream:
        return f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"


def _file_bytes_blocking(folder: Path) -> int:
    seen: set[int] = set()
    total = 0
    for parent, folders, files in os.walk(folder):
        for name in (*files, *(each for each in folders if Path(parent, each).is_symlink())):
            status = os.lstat(f"{parent}/{name}")
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                total += status.st_size
    return total


def _file_of(module: ModuleType) -> str:
    assert module.__file__ is not None
    return module.__file__


def _check(digest: str) -> None:
    if not is_digest(digest):
        raise Invalid(what=f"digest {digest!r}", why="it is no sha256, sha384 or sha512 digest", fix="")
