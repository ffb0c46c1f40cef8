"""Which repository has which blobs, manifests and tags: one SQLite file, durable at every commit.

A blob is in a repository only by a row of its own, whoever else has the bytes. Every function is
one transaction. Source: OCI distribution specification 1.1; sqlite.org/wal.html.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from maru.components.registry.model.manifest import Described

_SCHEMA = """
CREATE TABLE IF NOT EXISTS blobs (
    repository TEXT, digest TEXT, added REAL, PRIMARY KEY (repository, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS manifests (
    repository TEXT, digest TEXT, media_type TEXT, size_bytes INTEGER, subject TEXT, artifact_type TEXT,
    annotations BLOB, PRIMARY KEY (repository, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uses (
    repository TEXT, manifest TEXT, digest TEXT, PRIMARY KEY (repository, manifest, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tags (
    repository TEXT, tag TEXT, digest TEXT, PRIMARY KEY (repository, tag)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS blobs_by_digest ON blobs (digest);
CREATE INDEX IF NOT EXISTS manifests_by_digest ON manifests (digest);
CREATE INDEX IF NOT EXISTS manifests_by_subject ON manifests (repository, subject);
CREATE INDEX IF NOT EXISTS uses_by_digest ON uses (repository, digest);
CREATE INDEX IF NOT EXISTS tags_by_digest ON tags (repository, digest);
"""
_HAS_ANYWHERE = "SELECT 1 FROM blobs WHERE digest = ? LIMIT 1"
_HAS_BLOB = "SELECT 1 FROM blobs WHERE repository = ? AND digest = ?"
_HAS_MANIFEST = "SELECT 1 FROM manifests WHERE repository = ? AND digest = ?"
_HAS_ANY = (
    "SELECT EXISTS (SELECT 1 FROM blobs WHERE repository = ?) OR EXISTS (SELECT 1 FROM manifests WHERE repository = ?)"
)
_MANIFEST = """SELECT digest, media_type, size_bytes, artifact_type, annotations FROM manifests
WHERE repository = ? AND digest = ?"""
_REFERRERS = """SELECT digest, media_type, size_bytes, artifact_type, annotations FROM manifests
WHERE repository = ? AND subject = ? AND digest > ? AND (? = '' OR artifact_type = ?) ORDER BY digest LIMIT ?"""
_FORGET = (
    "DELETE FROM blobs WHERE digest = ?",
    "DELETE FROM manifests WHERE digest = ?",
    "DELETE FROM tags WHERE digest = ?",
    "DELETE FROM uses WHERE manifest = ?",
)


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """A manifest of one repository, without its bytes."""

    digest: str
    media_type: str
    size_bytes: int
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


class Catalog:
    """The rows of all repositories. Safe from any thread, one at a time."""

    def __init__(self, file: Path) -> None:
        self._turn = threading.Lock()
        self._rows = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._rows.execute("PRAGMA journal_mode = WAL")
        self._rows.execute("PRAGMA synchronous = FULL")
        self._rows.executescript(_SCHEMA)

    def close_blocking(self) -> None:
        with self._turn:
            self._rows.close()

    def has_repository_blocking(self, repository: str) -> bool:
        return bool(self._all(_HAS_ANY, repository, repository)[0][0])

    def has_blob_blocking(self, repository: str, digest: str) -> bool:
        """repository: "" for any."""
        found = self._one(_HAS_BLOB, repository, digest) if repository else self._one(_HAS_ANYWHERE, digest)
        return found is not None

    def add_blob_blocking(self, repository: str, digest: str, added_s: float) -> None:
        with self._change() as rows:
            rows.execute("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?)", (repository, digest, added_s))

    def drop_blob_blocking(self, repository: str, digest: str) -> bool:
        """False when it was not there."""
        with self._change() as rows:
            return (
                rows.execute("DELETE FROM blobs WHERE repository = ? AND digest = ?", (repository, digest)).rowcount > 0
            )

    def manifest_blocking(self, repository: str, reference: str) -> ManifestRow | None:
        """By tag or by digest."""
        digest = reference
        if ":" not in reference:
            tagged = self._one("SELECT digest FROM tags WHERE repository = ? AND tag = ?", repository, reference)
            if tagged is None:
                return None
            digest = str(tagged[0])
        row = self._one(_MANIFEST, repository, digest)
        return _manifest(row) if row else None

    def add_manifest_blocking(
        self, repository: str, row: ManifestRow, described: Described, tags: Sequence[str]
    ) -> Sequence[str]:
        """Add it, under `tags`. Answers what it refers to and is not there; then nothing is done."""
        with self._change() as rows:
            missing = [
                digest
                for question, digests in ((_HAS_BLOB, described.blobs), (_HAS_MANIFEST, described.manifests))
                for digest in digests
                if not rows.execute(question, (repository, digest)).fetchone()
            ]
            if missing:
                return missing
            annotations = msgspec.json.encode(row.annotations)
            values = (repository, row.digest, row.media_type, row.size_bytes, described.subject, row.artifact_type)
            rows.execute("INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?, ?, ?, ?)", (*values, annotations))
            used = [(repository, row.digest, digest) for digest in (*described.blobs, *described.manifests)]
            rows.executemany("INSERT OR REPLACE INTO uses VALUES (?, ?, ?)", used)
            tagged = [(repository, tag, row.digest) for tag in tags]
            rows.executemany("INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", tagged)
        return []

    def drop_manifest_blocking(self, repository: str, digest: str) -> bool:
        """With its tags; False when it was not there."""
        with self._change() as rows:
            rows.execute("DELETE FROM tags WHERE repository = ? AND digest = ?", (repository, digest))
            rows.execute("DELETE FROM uses WHERE repository = ? AND manifest = ?", (repository, digest))
            gone = rows.execute("DELETE FROM manifests WHERE repository = ? AND digest = ?", (repository, digest))
            return gone.rowcount > 0

    def drop_tag_blocking(self, repository: str, tag: str) -> bool:
        """False when it was not there."""
        with self._change() as rows:
            return rows.execute("DELETE FROM tags WHERE repository = ? AND tag = ?", (repository, tag)).rowcount > 0

    def tags_blocking(self, repository: str, after: str, count: int) -> Sequence[str]:
        """Up to `count` tags behind `after`; in their order small and capital letters are one, as specified."""
        text = (
            "SELECT tag FROM tags WHERE repository = ? AND (lower(tag), tag) > (lower(?), ?)"
            " ORDER BY lower(tag), tag LIMIT ?"
        )
        return [str(row[0]) for row in self._all(text, repository, after, after, count)]

    def repositories_blocking(self, after: str, count: int) -> Sequence[str]:
        """Up to `count` repositories with a manifest behind `after`, in order."""
        text = "SELECT DISTINCT repository FROM manifests WHERE repository > ? ORDER BY repository LIMIT ?"
        return [str(row[0]) for row in self._all(text, after, count)]

    def search_blocking(self, term: str, count: int) -> Sequence[str]:
        """Up to `count` repositories with a manifest and `term` in their names, in order."""
        text = "SELECT DISTINCT repository FROM manifests WHERE instr(repository, ?) ORDER BY repository LIMIT ?"
        return [str(row[0]) for row in self._all(text, term, count)]

    def referrers_blocking(
        self, repository: str, subject: str, artifact_type: str, after: str, count: int
    ) -> Sequence[ManifestRow]:
        """Up to `count` manifests about `subject` behind the digest `after`; artifact_type: "" for any."""
        values = (repository, subject, after, artifact_type, artifact_type, count)
        return [_manifest(row) for row in self._all(_REFERRERS, *values)]

    def forget_unused_blocking(self, added_before_s: float) -> int:
        """Drop blobs that no manifest of their repository refers to and that are older; how many."""
        text = (
            "DELETE FROM blobs WHERE added < ? AND NOT EXISTS (SELECT 1 FROM uses"
            " WHERE uses.repository = blobs.repository AND uses.digest = blobs.digest)"
        )
        with self._change() as rows:
            return rows.execute(text, (added_before_s,)).rowcount

    def without_rows_blocking(self, digests: Collection[str]) -> Sequence[str]:
        """Those of `digests` that no repository has."""
        text = (
            "SELECT EXISTS (SELECT 1 FROM blobs WHERE digest = ?) OR EXISTS (SELECT 1 FROM manifests WHERE digest = ?)"
        )
        return [digest for digest in digests if not self._all(text, digest, digest)[0][0]]

    def digests_blocking(self) -> Collection[str]:
        """All that any repository has."""
        return {str(row[0]) for row in self._all("SELECT digest FROM blobs UNION SELECT digest FROM manifests")}

    def forget_blocking(self, digests: Collection[str]) -> None:
        """Drop content that was lost, wherever it stood."""
        with self._change() as rows:
            for digest in digests:
                for text in _FORGET:
                    rows.execute(text, (digest,))

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._turn:
            self._rows.execute("BEGIN IMMEDIATE")
            try:
                yield self._rows
            except BaseException:
                self._rows.execute("ROLLBACK")
                raise
            self._rows.execute("COMMIT")

    def _one(self, text: str, *values: object) -> tuple[object, ...] | None:
        found = self._all(text, *values)
        return found[0] if found else None

    def _all(self, text: str, *values: object) -> list[tuple[object, ...]]:
        with self._turn:
            return self._rows.execute(text, values).fetchall()


def _manifest(row: tuple[object, ...]) -> ManifestRow:
    digest, media_type, size_bytes, artifact_type, annotations = row
    assert isinstance(size_bytes, int)
    assert isinstance(annotations, bytes)
    notes = msgspec.json.decode(annotations, type=dict[str, str])
    return ManifestRow(str(digest), str(media_type), size_bytes, str(artifact_type), notes)
