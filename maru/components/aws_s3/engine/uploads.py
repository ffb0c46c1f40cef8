"""The rows of uploads in parts: what was begun, which parts are there, what becomes of them at the end.

All of it runs inside one change of the index. A part put again replaces the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from maru.components.aws_s3.engine import versions
from maru.components.aws_s3.engine.index import Rows
from maru.components.aws_s3.engine.versions import Place
from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model.entry import About, Segment, decode_about, encode_about


class PartFacts(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a part beside its columns."""

    segments: tuple[Segment, ...]
    checksums: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Part:
    """etag: without quotes, the MD5 of the part."""

    number: int
    size_bytes: int
    etag: str
    modified_ms: int
    facts: PartFacts


@dataclass(frozen=True, slots=True)
class Upload:
    """about: what the object will be; its checksums name the algorithm, without a value."""

    place: Place
    id: str
    started_ms: int
    about: About


_decode = msgspec.json.Decoder(PartFacts).decode


def begin(rows: Rows, upload: Upload) -> None:
    """Write down that it began."""
    told = (upload.place.bucket, upload.place.key, upload.id, upload.started_ms, encode_about(upload.about))
    rows.execute("INSERT INTO uploads VALUES (?, ?, ?, ?, ?)", told)


def find(rows: Rows, place: Place, upload_id: str) -> Upload:
    """Raises NoSuchUpload."""
    text = "SELECT started, about FROM uploads WHERE bucket = ? AND key = ? AND id = ?"
    row = rows.execute(text, (place.bucket, place.key, upload_id)).fetchone()
    if row is None:
        raise refusal("NoSuchUpload", UploadId=upload_id)
    return Upload(place, upload_id, row[0], decode_about(row[1]))


def put_part(rows: Rows, upload: Upload, part: Part, stored: bytes | None, gone: list[int]) -> None:
    """The part is there, in place of an earlier one of its number. Raises NoSuchUpload."""
    find(rows, upload.place, upload.id)
    text = "SELECT about FROM parts WHERE upload = ? AND number = ?"
    before = rows.execute(text, (upload.id, part.number)).fetchone()
    if before is not None:
        versions.release(rows, _decode(before[0]).segments, gone)
    for segment in part.facts.segments:
        versions.add_content(rows, segment, stored)
    told = (upload.id, part.number, part.size_bytes, part.etag, part.modified_ms, msgspec.json.encode(part.facts))
    rows.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?)", told)


def parts(rows: Rows, upload_id: str, after: int = 0, count: int = 10_000) -> Sequence[Part]:
    """Up to `count` parts behind number `after`, ascending."""
    text = (
        "SELECT number, size, etag, modified, about FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?"
    )
    return [
        Part(number, size_bytes, etag, modified_ms, _decode(facts))
        for number, size_bytes, etag, modified_ms, facts in rows.execute(text, (upload_id, after, count))
    ]


def end(rows: Rows, upload: Upload, kept: Sequence[int], gone: list[int]) -> None:
    """The upload is over; the content of the parts `kept` has another owner, the rest goes."""
    taken = set(kept)
    for part in parts(rows, upload.id):
        if part.number not in taken:
            versions.release(rows, part.facts.segments, gone)
    rows.execute("DELETE FROM parts WHERE upload = ?", (upload.id,))
    rows.execute("DELETE FROM uploads WHERE bucket = ? AND key = ? AND id = ?", (*_of(upload.place), upload.id))


def drop_all(rows: Rows, bucket: str, gone: list[int]) -> None:
    """Every upload of a bucket that goes."""
    text = "SELECT key, id, started, about FROM uploads WHERE bucket = ?"
    for key, upload_id, started_ms, about in rows.execute(text, (bucket,)).fetchall():
        end(rows, Upload(Place(bucket, key), upload_id, started_ms, decode_about(about)), (), gone)


def _of(place: Place) -> tuple[str, str]:
    return place.bucket, place.key
