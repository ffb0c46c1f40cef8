"""The rows of versions and contents: what is the latest, what a put replaces, what a delete leaves.

All of it runs inside one change of the index. `gone` gathers the files that nothing names any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maru.components.aws_s3.engine.index import Rows
from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model.entry import NULL, About, Segment, Version, decode_about, encode_about

_COLUMNS = "key, rank, id, latest, marker, size, etag, modified, about"
_OF_KEY = f"SELECT {_COLUMNS} FROM versions WHERE bucket = ? AND key = ?"  # noqa: S608 - columns of ours
_LATEST = f"{_OF_KEY} ORDER BY rank LIMIT 1"
_BY_ID = f"{_OF_KEY} AND id = ?"
_INSERT = "INSERT INTO versions VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)"

Check = Callable[[Version | None], None]
"""Raises when what is there (None: nothing, or a delete marker) does not let the change be made."""


@dataclass(frozen=True, slots=True)
class Place:
    """bucket: its id, not its name."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A version to be written. etag: without quotes; "" of a delete marker.

    fresh: content written for it, with its bytes where it is inline. Its other segments are shared with
    another version, or (of an upload's parts) change owner.
    """

    size_bytes: int
    etag: str
    about: About
    modified_ms: int
    is_marker: bool = False
    fresh: Sequence[tuple[Segment, bytes | None]] = ()
    takes_over: bool = False


def latest(rows: Rows, place: Place) -> Version | None:
    """The newest version, a delete marker among them."""
    row = rows.execute(_LATEST, (place.bucket, place.key)).fetchone()
    return version_of(row) if row is not None else None


def by_id(rows: Rows, place: Place, version_id: str) -> Version | None:
    """The version of that id."""
    row = rows.execute(_BY_ID, (place.bucket, place.key, version_id)).fetchone()
    return version_of(row) if row is not None else None


def put(rows: Rows, place: Place, version_id: str, draft: Draft, gone: list[int]) -> None:
    """Make `draft` the latest; a null version replaces the one there is."""
    before = latest(rows, place)
    _claim(rows, draft)
    if before is not None:
        replaced: Version | None = None
        if version_id == NULL:
            replaced = before if before.id == NULL else by_id(rows, place, NULL)
            if replaced is not None:
                _drop(rows, place, replaced, gone)
        if replaced is not before:
            unset = "UPDATE versions SET latest = 0 WHERE bucket = ? AND key = ? AND rank = ?"
            rows.execute(unset, (place.bucket, place.key, before.rank))
    rank = before.rank - 1 if before is not None else 0
    about = draft.about
    sums = " ".join([*about.checksums, about.checksum_type]) if about.checksums else ""
    told = (draft.size_bytes, draft.etag, draft.modified_ms, about.owner, about.storage_class, sums)
    rows.execute(_INSERT, (place.bucket, place.key, rank, version_id, draft.is_marker, *told, encode_about(about)))


def remove(rows: Rows, place: Place, version: Version, gone: list[int]) -> None:
    """Take one version away; the next one becomes the latest."""
    _drop(rows, place, version, gone)
    if version.is_latest:
        following = latest(rows, place)
        if following is not None:
            promote = "UPDATE versions SET latest = 1 WHERE bucket = ? AND key = ? AND rank = ?"
            rows.execute(promote, (place.bucket, place.key, following.rank))


def rewrite(rows: Rows, place: Place, version: Version, about: About) -> None:
    """Tags, ACL, locks, storage class: what may change of a version that is there."""
    text = "UPDATE versions SET about = ?, class = ? WHERE bucket = ? AND key = ? AND rank = ?"
    rows.execute(text, (encode_about(about), about.storage_class, place.bucket, place.key, version.rank))


def add_content(rows: Rows, segment: Segment, stored: bytes | None) -> None:
    """Content that was written just now."""
    rows.execute("INSERT INTO contents VALUES (?, 1, ?)", (segment.id, stored))


def release(rows: Rows, segments: Sequence[Segment], gone: list[int]) -> None:
    """One name less for each; what has none left goes."""
    for segment in segments:
        (refs,) = rows.execute("SELECT refs FROM contents WHERE id = ?", (segment.id,)).fetchone() or (0,)
        if refs > 1:
            rows.execute("UPDATE contents SET refs = refs - 1 WHERE id = ?", (segment.id,))
            continue
        rows.execute("DELETE FROM contents WHERE id = ?", (segment.id,))
        if not segment.is_inline:
            gone.append(segment.id)


def inline_bytes(rows: Rows, segments: Sequence[Segment]) -> dict[int, bytes]:
    """The stored bytes of those segments that stand in the index."""
    found: dict[int, bytes] = {}
    for segment in segments:
        if segment.is_inline:
            row = rows.execute("SELECT bytes FROM contents WHERE id = ?", (segment.id,)).fetchone()
            if row is not None:
                found[segment.id] = row[0]
    return found


def version_of(row: Sequence[object]) -> Version:
    """From the columns key, rank, id, latest, marker, size, etag, modified, about."""
    key, rank, version_id, is_latest, is_marker, size_bytes, etag, modified_ms, about = row
    assert isinstance(rank, int)
    assert isinstance(size_bytes, int)
    assert isinstance(modified_ms, int)
    assert isinstance(about, bytes)
    told = decode_about(about)
    return Version(
        str(key), rank, str(version_id), bool(is_latest), bool(is_marker), size_bytes, str(etag), modified_ms, told
    )


def _claim(rows: Rows, draft: Draft) -> None:
    fresh = {segment.id for segment, _ in draft.fresh}
    for segment, stored in draft.fresh:
        add_content(rows, segment, stored)
    if draft.takes_over:
        return
    for segment in draft.about.segments:
        if segment.id not in fresh:
            shared = rows.execute("UPDATE contents SET refs = refs + 1 WHERE id = ?", (segment.id,))
            if shared.rowcount == 0:
                raise refusal("NoSuchKey", "The source of the copy was deleted meanwhile.")


def _drop(rows: Rows, place: Place, version: Version, gone: list[int]) -> None:
    text = "DELETE FROM versions WHERE bucket = ? AND key = ? AND rank = ?"
    rows.execute(text, (place.bucket, place.key, version.rank))
    release(rows, version.about.segments, gone)
