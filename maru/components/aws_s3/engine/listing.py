"""Pages of what is in a bucket, in the byte order of keys: objects, versions, uploads.

What has the delimiter behind the prefix is rolled up, and the search goes on behind it with one seek,
so that a page costs what it shows, not what it hides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from maru.components.aws_s3.engine.index import Rows
from maru.components.aws_s3.model.names import after_prefix

CHUNK = 1002
_OBJECTS = (
    "SELECT key, size, etag, modified, owner, class, sums FROM versions INDEXED BY current"
    " WHERE bucket = ? AND key >= ? AND latest = 1 AND marker = 0 ORDER BY key LIMIT ?"
)
_VERSIONS = (
    "SELECT key, size, etag, modified, owner, class, sums, id, latest, marker, rank FROM versions"
    " WHERE bucket = ? AND (key, rank) > (?, ?) ORDER BY key, rank LIMIT ?"
)
_UPLOADS = (
    "SELECT key, id, started, about FROM uploads WHERE bucket = ? AND (key, id) > (?, ?) ORDER BY key, id LIMIT ?"
)
_END = 1 << 62
_Start = tuple[str, int | str]


@dataclass(frozen=True, slots=True)
class Range:
    """What is asked for. start: the first key that may be shown.

    passed: a marker: what rolls up to a prefix of it was shown before. limit: at most so many.
    """

    prefix: str
    delimiter: str
    start: str
    limit: int
    passed: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a list. id, rank, is_latest, is_marker: of a list of versions."""

    key: str
    size_bytes: int
    etag: str
    modified_ms: int
    owner: str
    storage_class: str
    sums: Sequence[str]
    id: str = ""
    is_latest: bool = True
    is_marker: bool = False
    rank: int = 0


@dataclass(frozen=True, slots=True)
class UploadRow:
    """An upload under way."""

    key: str
    id: str
    started_ms: int
    about: bytes


_R = TypeVar("_R", Row, UploadRow)


@dataclass(frozen=True, slots=True)
class _Walk(Generic[_R]):
    """How to go through a table: lines from a start, the start behind a line, the start at a key."""

    query: Callable[[_Start], Iterator[_R]]
    behind: Callable[[_R], _Start]
    at: Callable[[str], _Start]


@dataclass(frozen=True, slots=True)
class Page:
    """entries: rows, and common prefixes (str), in order; is_truncated: there is more.

    last: the key, or the prefix, shown last; last_id: its version or upload.
    """

    entries: Sequence[Row | UploadRow | str]
    is_truncated: bool
    last: str = ""
    last_id: str = ""


def objects(rows: Rows, bucket: str, asked: Range) -> Page:
    """The latest versions that are no delete markers."""

    def query(start: _Start) -> Iterator[Row]:
        for key, size_bytes, etag, modified_ms, owner, kind, sums in rows.execute(_OBJECTS, (bucket, start[0], CHUNK)):
            yield Row(key, size_bytes, etag, modified_ms, owner, kind, sums.split())

    walk = _Walk(query, lambda row: (row.key + "\0", 0), lambda key: (key, 0))
    return _page(walk, asked, (max(asked.start, asked.prefix), 0))


def versions(rows: Rows, bucket: str, asked: Range, after_id: str) -> Page:
    """All versions; `after_id`: behind this version of the key `asked.start`, "" for behind the key itself."""
    rank: int = _END
    if after_id:
        text = "SELECT rank FROM versions WHERE bucket = ? AND key = ? AND id = ?"
        found = rows.execute(text, (bucket, asked.start, after_id)).fetchone()
        rank = found[0] if found is not None else _END
    start: _Start = (asked.start, rank) if asked.start else ("", -_END)
    if asked.prefix > asked.start:
        start = (asked.prefix, -_END)

    def query(after: _Start) -> Iterator[Row]:
        for line in rows.execute(_VERSIONS, (bucket, *after, CHUNK)):
            key, size_bytes, etag, modified_ms, owner, kind, sums, version_id, is_latest, is_marker, place = line
            told = (version_id, bool(is_latest), bool(is_marker), place)
            yield Row(key, size_bytes, etag, modified_ms, owner, kind, sums.split(), *told)

    walk = _Walk(query, lambda row: (row.key, row.rank), lambda key: (key, -_END))
    return _page(walk, asked, start)


def uploads(rows: Rows, bucket: str, asked: Range, after_id: str) -> Page:
    """Uploads under way, by key and then by when they began; `after_id` as for versions."""
    start: _Start = (asked.start, after_id or "~") if asked.start else ("", "")
    if asked.prefix > asked.start:
        start = (asked.prefix, "")

    def query(after: _Start) -> Iterator[UploadRow]:
        for key, upload_id, started_ms, about in rows.execute(_UPLOADS, (bucket, *after, CHUNK)):
            yield UploadRow(key, upload_id, started_ms, about)

    walk = _Walk(query, lambda row: (row.key, row.id), lambda key: (key, ""))
    return _page(walk, asked, start)


def _page(walk: _Walk[_R], asked: Range, start: _Start) -> Page:
    entries: list[Row | UploadRow | str] = []
    last, last_id = "", ""
    while True:
        following: _Start | None = None
        count = 0
        for count, row in enumerate(walk.query(start), 1):  # noqa: B007 - told after the loop
            if not row.key.startswith(asked.prefix):
                return Page(entries, False, last, last_id)
            cut = row.key.find(asked.delimiter, len(asked.prefix)) if asked.delimiter else -1
            common = row.key[: cut + len(asked.delimiter)] if cut >= 0 else ""
            if not (common and asked.passed.startswith(common)):
                if len(entries) >= asked.limit:
                    return Page(entries, True, last, last_id)
                entries.append(common or row)
                last, last_id = common or row.key, "" if common else row.id
            if common:
                behind = after_prefix(common)
                if not behind:
                    return Page(entries, False, last, last_id)
                following = walk.at(behind)
                break
            following = walk.behind(row)
        else:
            if count < CHUNK:
                return Page(entries, False, last, last_id)
        assert following is not None, "a full chunk has a last line"
        start = following
