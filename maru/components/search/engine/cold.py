"""The cold tier: the documents of an index that is written no more in one Parquet file, read by DuckDB.

It takes a fraction of the room of log and partitions, which are made from it anew when the index is searched, and
deleted when it has not been for a while. Source: Apache Parquet; Elasticsearch reference, "Freeze".
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from maru.components.search.engine.log import INDEX, Record
from maru.components.search.engine.operations import PRIMARY_TERM
from maru.core.errors import Unavailable
from maru.wire.elastic.json import encode

if TYPE_CHECKING:
    import duckdb

COLD = "cold.parquet"
BATCH = 20_480  # rows of a group of the file, and of a read
MEMORY = "1GB"  # at most: DuckDB takes some times the largest document
LINE_BYTES_MIN = 1024 * 1024
_COLUMNS = "{'id': 'VARCHAR', 'seq': 'BIGINT', 'version': 'BIGINT', 'routing': 'VARCHAR', 'source': 'VARCHAR'}"


def is_cold_blocking(folder: Path) -> bool:
    """Whether the documents of the index in `folder` are in its file."""
    return (folder / COLD).exists()


def freeze_blocking(folder: Path, records: Iterator[Record]) -> None:
    """Write `records` to the file, whole or not at all. Raises Unavailable, on a full disk say."""
    try:
        _write_blocking(folder, records)
    except OSError as error:
        raise _failed(folder, error) from error


def documents_blocking(folder: Path) -> Iterator[Sequence[Record]]:
    """What the file holds, as it was written, up to BATCH at once. Raises Unavailable for one that is damaged."""
    with _duckdb(folder) as connection:
        file = str(folder / COLD)
        (count,) = connection.execute("SELECT count(*) FROM read_parquet(?)", [file]).fetchone() or (0,)
        for start in range(0, count, BATCH):  # a result stands in memory as a whole
            rows = connection.execute(
                "SELECT id, seq, version, routing, source FROM read_parquet(?, file_row_number = true) "
                "WHERE file_row_number BETWEEN ? AND ?",
                [file, start, start + BATCH - 1],
            ).fetchall()
            yield [
                Record(INDEX, seq, PRIMARY_TERM, version, doc_id, routing or "", source.encode())
                for doc_id, seq, version, routing, source in rows
            ]


def clear_blocking(folder: Path) -> None:
    """Delete all but the file: what stands beside it was made from it, or is in it."""
    for path in folder.iterdir():
        if path.name != COLD:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _write_blocking(folder: Path, records: Iterator[Record]) -> None:
    with TemporaryDirectory(dir=folder, prefix=".cold-") as name, _duckdb(folder) as connection:
        lines, draft = Path(name) / "lines.json", Path(name) / COLD
        largest = LINE_BYTES_MIN
        with lines.open("wb") as file:
            for one in records:
                told = {"id": one.id, "seq": one.seq, "version": one.version, "routing": one.routing}
                largest = max(largest, file.write(encode({**told, "source": one.source.decode()}) + b"\n"))
        connection.execute(
            f"COPY (SELECT * FROM read_json('{lines}', format = 'newline_delimited', columns = {_COLUMNS}, "  # noqa: S608 - the files are ours
            f"maximum_object_size = {largest})) TO '{draft}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {BATCH})"
        )
        with draft.open("rb") as made:
            os.fsync(made.fileno())
        draft.replace(folder / COLD)
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


@contextmanager
def _duckdb(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    # Imported late: a platform without cold indices does not pay for it.
    import duckdb

    connection = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": MEMORY})
    try:
        yield connection
    except duckdb.Error as error:
        raise _failed(folder, error) from error
    finally:
        connection.close()


def _failed(folder: Path, error: Exception) -> Unavailable:
    return Unavailable(
        what=f"the cold documents in {folder}",
        why=str(error).splitlines()[0],
        fix="make room on the disk, or restore the folder from a backup",
    )
