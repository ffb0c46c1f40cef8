"""The depot: the index and the files together, as the operations use them.

Content is durable before the index names it, and a file goes only after the index has forgotten it; what
a crash leaves between the two is collected. A bucket that is being deleted is closed first, so that no
upload on its way can put anything into it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from maru.components.aws_s3.engine import listing, uploads, versions
from maru.components.aws_s3.engine.contents import Contents, Written
from maru.components.aws_s3.engine.digests import Digests
from maru.components.aws_s3.engine.index import Index, Rows
from maru.components.aws_s3.engine.recent import Recent
from maru.components.aws_s3.engine.uploads import Part, Upload
from maru.components.aws_s3.engine.versions import Check, Draft, Place
from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model.entry import NULL, About, Segment, Version
from maru.core.clock import Clock
from maru.core.errors import MaruError
from maru.core.ids import Ids

ROOM_FOR_VERSIONS = "Enabled"
_RECENT_SEGMENTS_MAX = 4  # of an object that is kept in memory; those of many parts tell too much
T = TypeVar("T")


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Found:
    """A version with the stored bytes of its inline content, by segment; its files stay while it lives."""

    version: Version
    inline: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class Removed:
    """What a delete did. id: of the version that went, or of the marker that came; "" if neither has one to show."""

    id: str = ""
    is_marker: bool = False


class Depot:
    """Opened and closed by the component."""

    def __init__(self, index: Index, contents: Contents, clock: Clock, ids: Ids) -> None:
        self.index = index
        self.contents = contents
        self._clock = clock
        self._ids = ids
        self._closed: set[str] = set()
        self._recent: Recent[Found] = Recent()

    def now_ms(self) -> int:
        """Since the epoch."""
        return int(self._clock.now().timestamp() * 1000)

    def now(self) -> datetime:
        """UTC."""
        return self._clock.now()

    async def write(self, pieces: AsyncIterator[bytes], data_key: bytes, digests: Digests) -> Written:
        """See Contents.write. What comes of it is put, or given up."""
        return await self.contents.write(pieces, data_key, digests)

    def give_up(self, written: Written) -> None:
        """It will not be named."""
        self._give_up((written.segment,))

    async def put(self, place: Place, versioning: str, draft: Draft, check: Check | None = None) -> str:
        """Write a version; its id. check: sees what the latest is, None for nothing or a marker."""
        version_id = self._ids.secret(24) if versioning == ROOM_FOR_VERSIONS else NULL

        def work(rows: Rows, gone: list[int]) -> str:
            self._expect_open(place.bucket)
            if check is not None:
                before = versions.latest(rows, place)
                check(None if before is None or before.is_marker else before)
            versions.put(rows, place, version_id, draft, gone)
            return version_id

        return await self._change(work, [segment for segment, _ in draft.fresh], place)

    async def find(self, place: Place, version_id: str | None) -> Found | None:
        """The version, or the latest; delete markers too."""

        def work(rows: Rows) -> Found | None:
            version = versions.latest(rows, place) if version_id is None else versions.by_id(rows, place, version_id)
            if version is None:
                return None
            return Found(version, versions.inline_bytes(rows, version.about.segments))

        known = self._recent.get(place) if version_id is None else None
        if known is not None:
            return known
        mark = self._recent.mark()
        with self.contents.looking():
            found = await self.index.read(work)
            if found is None:
                return None
            self.contents.hold(found, found.version.about.segments)
        if version_id is None and len(found.version.about.segments) <= _RECENT_SEGMENTS_MAX:
            self._recent.keep(place, found, mark)
        return found

    async def delete(self, place: Place, versioning: str, owner: str, check: Check | None = None) -> Removed:
        """Delete without naming a version: a marker, where versions are kept; else what is there."""
        marker = Draft(0, "", About(owner), self.now_ms(), is_marker=True)
        version_id = self._ids.secret(24) if versioning == ROOM_FOR_VERSIONS else NULL

        def work(rows: Rows, gone: list[int]) -> Removed:
            self._expect_open(place.bucket)
            before = versions.latest(rows, place)
            if check is not None:
                check(None if before is None or before.is_marker else before)
            if versioning:
                versions.put(rows, place, version_id, marker, gone)
                return Removed(version_id, True)
            if before is not None:
                versions.remove(rows, place, before, gone)
            return Removed()

        return await self._change(work, place=place)

    async def delete_version(self, place: Place, version_id: str, check: Check) -> Removed | None:
        """Take one version away; None if there was none. check: sees the version, markers too."""

        def work(rows: Rows, gone: list[int]) -> Removed | None:
            version = versions.by_id(rows, place, version_id)
            check(version)
            if version is None:
                return None
            versions.remove(rows, place, version, gone)
            return Removed(version_id, version.is_marker)

        return await self._change(work, place=place)

    async def rewrite(self, place: Place, version_id: str | None, change: Callable[[Version], About]) -> Version | None:
        """Change what is told of a version; the version as it was, None if it is not there. `change` may refuse."""

        def work(rows: Rows, _: list[int]) -> Version | None:
            version = versions.latest(rows, place) if version_id is None else versions.by_id(rows, place, version_id)
            if version is not None:
                versions.rewrite(rows, place, version, change(version))
            return version

        return await self._change(work, place=place)

    async def list_objects(self, bucket: str, asked: listing.Range) -> listing.Page:
        """See listing.objects."""
        return await self.index.read(lambda rows: listing.objects(rows, bucket, asked))

    async def list_versions(self, bucket: str, asked: listing.Range, after_id: str) -> listing.Page:
        """See listing.versions."""
        return await self.index.read(lambda rows: listing.versions(rows, bucket, asked, after_id))

    async def list_uploads(self, bucket: str, asked: listing.Range, after_id: str) -> listing.Page:
        """See listing.uploads."""
        return await self.index.read(lambda rows: listing.uploads(rows, bucket, asked, after_id))

    async def begin_upload(self, place: Place, about: About) -> Upload:
        """Its id sorts by when it began."""
        started_ms = self.now_ms()
        upload = Upload(place, f"{started_ms:012x}{self._ids.secret(36)}", started_ms, about)

        def work(rows: Rows, _: list[int]) -> None:
            self._expect_open(place.bucket)
            uploads.begin(rows, upload)

        await self._change(work, place=place)
        return upload

    async def find_upload(self, place: Place, upload_id: str) -> Upload:
        """Raises NoSuchUpload."""
        return await self.index.read(lambda rows: uploads.find(rows, place, upload_id))

    async def put_part(self, upload: Upload, part: Part, stored: bytes | None) -> None:
        """Raises NoSuchUpload when it ended meanwhile."""
        segments = part.facts.segments
        await self._change(
            lambda rows, gone: uploads.put_part(rows, upload, part, stored, gone), segments, upload.place
        )

    async def parts(self, upload: Upload, after: int = 0, count: int = 10_000) -> Sequence[Part]:
        """Ascending."""
        return await self.index.read(lambda rows: uploads.parts(rows, upload.id, after, count))

    async def complete(
        self,
        upload: Upload,
        versioning: str,
        build: Callable[[Sequence[Part]], tuple[Draft, Sequence[int]]],
        check: Check,
    ) -> tuple[Draft, str]:
        """Make the object of its parts. build: from the parts there are to the object and the parts it takes."""
        version_id = self._ids.secret(24) if versioning == ROOM_FOR_VERSIONS else NULL

        def work(rows: Rows, gone: list[int]) -> tuple[Draft, str]:
            self._expect_open(upload.place.bucket)
            uploads.find(rows, upload.place, upload.id)
            before = versions.latest(rows, upload.place)
            draft, kept = build(uploads.parts(rows, upload.id))
            check(None if before is None or before.is_marker else before)
            versions.put(rows, upload.place, version_id, draft, gone)
            uploads.end(rows, upload, kept, gone)
            return draft, version_id

        return await self._change(work, place=upload.place)

    async def abort(self, place: Place, upload_id: str) -> None:
        """Raises NoSuchUpload."""
        await self._change(
            lambda rows, gone: uploads.end(rows, uploads.find(rows, place, upload_id), (), gone), place=place
        )

    async def close_bucket(self, bucket: str, name: str) -> None:
        """Nothing can be put there from now on. Raises BucketNotEmpty."""

        def work(rows: Rows, gone: list[int]) -> None:
            if rows.execute("SELECT 1 FROM versions WHERE bucket = ? LIMIT 1", (bucket,)).fetchone():
                raise refusal("BucketNotEmpty", BucketName=name)
            uploads.drop_all(rows, bucket, gone)
            self._closed.add(bucket)

        await self._change(work)

    def reopen_bucket(self, bucket: str) -> None:
        """It was not deleted after all."""
        self._closed.discard(bucket)

    async def clear(self) -> None:
        """Everything of every bucket is gone."""

        def work(rows: Rows, gone: list[int]) -> None:
            gone.extend(number for (number,) in rows.execute("SELECT id FROM contents"))
            rows.execute("DELETE FROM versions")
            rows.execute("DELETE FROM uploads")
            rows.execute("DELETE FROM parts")
            rows.execute("DELETE FROM contents")

        await self._change(work)
        self._closed.clear()

    async def is_empty(self, bucket: str) -> bool:
        """Whether no version is left."""
        text = "SELECT 1 FROM versions WHERE bucket = ? LIMIT 1"
        return await self.index.read(lambda rows: rows.execute(text, (bucket,)).fetchone() is None)

    def whole(self, found: Found, data_key: bytes) -> bytes | None:
        """All the bytes of an object that stands in the index in one piece; None of any other."""
        segments = found.version.about.segments
        stored = found.inline.get(segments[0].id) if len(segments) == 1 else None
        return self.contents.opened(segments[0], data_key, stored) if stored is not None else None

    async def read(self, found: Found, data_key: bytes, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes of an object from `start` up to `end` (exclusive)."""
        begins = 0
        for segment in found.version.about.segments:
            ends = begins + segment.size_bytes
            if ends > start and begins < end:
                low, high = max(0, start - begins), min(segment.size_bytes, end - begins)
                stored = found.inline.get(segment.id)
                async for piece in self.contents.read(segment, data_key, stored, low, high):
                    yield piece
            begins = ends

    async def _change(
        self, work: Callable[[Rows, list[int]], T], fresh: Sequence[Segment] = (), place: Place | None = None
    ) -> T:
        """fresh: content written for this change; it goes if the change is refused. place: what changes, None: all."""
        gone: list[int] = []
        self._recent.begin(place)
        try:
            result = await self.index.change(lambda rows: work(rows, gone), lambda: self._recent.end(place))
        except MaruError:
            self._give_up(fresh)
            raise
        self.contents.settle(fresh)
        self.contents.discard(gone)
        return result

    def _give_up(self, segments: Sequence[Segment]) -> None:
        self.contents.settle(segments)
        self.contents.discard([segment.id for segment in segments if not segment.is_inline])

    def _expect_open(self, bucket: str) -> None:
        if bucket in self._closed:
            raise refusal("NoSuchBucket")
