"""s3: events as objects, one for each so many bytes or minutes and each prefix.

A batch is done once it is in a file here and synced; a file is uploaded when it is full or old, and goes
once S3 has it. What a crash left is uploaded at the next start (restore).
Source: Logstash reference, "S3 output plugin".
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote, unquote

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.outputs.shape import Refused, codec_of
from maru.components.pipelines.engine.s3_client import S3
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.options import OutputOptions, options_of
from maru.core.errors import Invalid, Unavailable
from maru.wire.logstash.syntax import Plugin

FILES_MAX = 256  # prefixes that are written to at once
PREFIX_BYTES_MAX = 150
STRATEGIES = ("size", "time", "size_and_time")
KINDS = {"none": ("txt", "text/plain"), "gzip": ("txt.gz", "text/plain")}


class S3OutputOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """size_file: bytes, time_file: minutes; prefix: formatted with the event; encoding: none or gzip."""

    without_effect: ClassVar[frozenset[str]] = frozenset(
        ["upload_queue_size", "upload_workers_count", "validate_credentials_on_root_bucket"]
    )

    bucket: str
    region: str = "us-east-1"
    endpoint: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    prefix: str = ""
    size_file: int = 5 << 20
    time_file: float = 15
    rotation_strategy: str = "size_and_time"
    encoding: str = "none"
    tags: Sequence[str] = ()
    canned_acl: str = ""
    storage_class: str = "STANDARD"
    server_side_encryption: bool = False
    server_side_encryption_algorithm: str = "AES256"
    ssekms_key_id: str = ""
    temporary_directory: str = ""
    restore: bool = True
    upload_queue_size: int = 4
    upload_workers_count: int = 4
    upload_multipart_threshold: int = 15 << 20
    validate_credentials_on_root_bucket: bool = True


@dataclass
class _Open:
    """A file that is written to. began_s: monotonic."""

    path: Path
    began_s: float
    size_bytes: int = 0


class ToS3:
    """Files by prefix; a file's name is its object's key."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options = options_of(plugin, S3OutputOptions, "output")
        what = f"output plugin 's3' at line {plugin.place.line}"
        if options.rotation_strategy not in STRATEGIES or options.encoding not in KINDS:
            raise Invalid(what=what, why="no such rotation_strategy or encoding", fix=f"{STRATEGIES}; none or gzip")
        if options.size_file <= 0 or options.time_file <= 0:
            raise Invalid(what=what, why="size_file and time_file are over 0", fix="size_file => 5242880")
        self._write = codec_of(options, "line")
        self._s3 = S3(options, ground, what)
        self._ground = ground
        written = options.temporary_directory
        name = hashlib.sha256(plugin.text.encode()).hexdigest()[:16]
        self._folder = Path(written) if written else ground.site.folder("pipelines") / "s3" / name
        self._open: dict[str, _Open] = {}
        self._full: list[Path] = []
        self._part = 0
        self._is_restored = not options.restore
        self._writing, self._uploading = asyncio.Lock(), asyncio.Lock()

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        by_prefix: dict[str, list[bytes]] = {}
        refused: list[Refused] = []
        for event in events:
            prefix = event.sprintf(self._options.prefix)
            if len(quote(prefix, safe="")) > PREFIX_BYTES_MAX:
                refused.append(Refused(event, "its prefix is too long for the name of a file"))
            else:
                by_prefix.setdefault(prefix, []).append(self._write(event))
        try:
            async with self._writing:
                await self._restore()
                for prefix, chunks in by_prefix.items():
                    file = self._open.get(prefix) or self._begin(prefix)
                    file.size_bytes = await asyncio.to_thread(_append_blocking, file.path, b"".join(chunks))
        except OSError as error:
            why = error.strerror or str(error)
            raise Unavailable(what=str(self._folder), why=why, fix="look at the disk") from error
        await self.tick()
        return refused

    async def tick(self) -> None:
        """Upload what is full or old; what cannot be uploaded stays and is tried at the next tick."""
        await self._close_files(self._is_due)

    async def close(self) -> None:
        """Upload all; what cannot be is there at the next start."""
        await self._close_files(lambda _: True)

    async def _close_files(self, is_wanted: Callable[[_Open], bool]) -> None:
        async with self._writing:
            await self._restore()
            for prefix in [prefix for prefix, file in self._open.items() if is_wanted(file)]:
                self._full.append(self._open.pop(prefix).path)
        async with self._uploading:
            try:
                while self._full:
                    await self._upload(self._full[0])
                    self._full.pop(0)
            except Unavailable as error:
                self._ground.log.warning("objects wait for S3", files=len(self._full), error=str(error))

    def _begin(self, prefix: str) -> _Open:
        options = self._options
        self._part += 1
        stamp = self._ground.now().strftime("%Y-%m-%dT%H.%M")
        tags = f".tag_{'.'.join(options.tags)}" if options.tags else ""
        key = f"ls.s3.{self._ground.unique_id()}.{stamp}{tags}.part{self._part - 1}.{KINDS[options.encoding][0]}"
        if len(self._open) >= FILES_MAX:
            raise Unavailable(
                what="output s3", why="too many prefixes are under way", fix="use fewer, or a smaller time_file"
            )
        self._open[prefix] = _Open(self._folder / quote(prefix + key, safe=""), self._ground.monotonic_s())
        return self._open[prefix]

    def _is_due(self, file: _Open) -> bool:
        options = self._options
        is_old = self._ground.monotonic_s() - file.began_s >= options.time_file * 60
        is_full = file.size_bytes >= options.size_file
        return (is_full and options.rotation_strategy != "time") or (is_old and options.rotation_strategy != "size")

    async def _restore(self) -> None:
        """What a crash left is to be uploaded, too; looked for once, before there is anything of our own."""
        if not self._is_restored:
            self._is_restored = True
            self._full += await asyncio.to_thread(_files_blocking, self._folder)

    async def _upload(self, path: Path) -> None:
        content = await asyncio.to_thread(path.read_bytes)
        key = unquote(path.name)
        if key.endswith(".gz"):
            content = await asyncio.to_thread(gzip.compress, content)
        await self._s3.put(key, content, self._headers(key), self._options.upload_multipart_threshold)
        await asyncio.to_thread(path.unlink)

    def _headers(self, key: str) -> Mapping[str, str]:
        options = self._options
        headers = {"content-type": KINDS[options.encoding][1]}
        if options.canned_acl:
            headers["x-amz-acl"] = options.canned_acl
        if options.storage_class != "STANDARD":
            headers["x-amz-storage-class"] = options.storage_class
        if key.endswith(".gz"):
            headers["content-encoding"] = "gzip"
        if options.server_side_encryption:
            headers["x-amz-server-side-encryption"] = options.server_side_encryption_algorithm
            if options.ssekms_key_id:
                headers["x-amz-server-side-encryption-aws-kms-key-id"] = options.ssekms_key_id
        return headers


def _append_blocking(path: Path, chunk: bytes) -> int:
    """The file's size then, which is on disk. Raises OSError; nothing of `chunk` is there then."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    before = os.fstat(file).st_size
    try:
        view = memoryview(chunk)
        while view:
            view = view[os.write(file, view) :]
        os.fdatasync(file)
        return before + len(chunk)
    except OSError:
        os.ftruncate(file, before)  # the batch comes again, whole
        raise
    finally:
        os.close(file)


def _files_blocking(folder: Path) -> Sequence[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else ()
