"""SelectObjectContent: the rows of a query, as a stream of events; memory is bounded, whatever the object's size.

Source: Amazon S3 API reference, SelectObjectContent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from maru.components.aws_s3.api.gets import Gets
from maru.components.aws_s3.api.reach import Reach
from maru.components.aws_s3.api.sealing import Sealing
from maru.components.aws_s3.errors import code_of, refusal
from maru.components.aws_s3.model import archives
from maru.components.aws_s3.model.select.reading import CsvReader, Inflater, JsonReader
from maru.components.aws_s3.model.select.writing import writer
from maru.contracts.aws_service import BODY, HEADERS, AwsCall, AwsOperation, Members
from maru.core.errors import MaruError
from maru.wire.aws import event_stream

if TYPE_CHECKING:
    from maru.components.aws_s3.model.select.query import Query

RECORDS_BYTES = 128 * 1024
_COMPRESSIONS = ("NONE", "GZIP", "BZIP2")


class Select:
    """Queries of one object."""

    def __init__(self, reach: Reach, sealing: Sealing, gets: Gets) -> None:
        self._reach = reach
        self._sealing = sealing
        self._gets = gets

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {"SelectObjectContent": AwsOperation(self.select)}

    async def select(self, call: AwsCall) -> Members:
        """SelectObjectContent."""
        bucket = self._reach.bucket(call)
        found = await self._gets.find(call, bucket)
        archives.check_readable(found.version, self._reach.depot.now())
        query = await asyncio.to_thread(_query, str(call.parameters["Expression"]), self._reach.depot.now())
        scan = Scan(call.parameters, query)
        data_key = await self._sealing.for_read(call, found.version.about.encryption, bucket)
        pieces = self._reach.depot.read(found, data_key, 0, found.version.size_bytes)
        return {BODY: _answer(scan, pieces), HEADERS: {"Content-Type": "application/vnd.amazon.eventstream"}}


class Scan:
    """One object read through one query: bytes in, the bytes of rows out; counts what went either way."""

    def __init__(self, parameters: Members, query: Query) -> None:
        if parameters.get("ExpressionType") != "SQL":
            raise refusal("InvalidExpressionType")
        if parameters.get("ScanRange") is not None:
            raise refusal("NotImplemented", "ScanRange is not implemented.")
        told = parameters["InputSerialization"]
        kind = str(told.get("CompressionType") or "NONE").upper()
        if kind not in _COMPRESSIONS:
            raise refusal("InvalidCompressionFormat")
        if told.get("Parquet") is not None:
            raise refusal("NotImplemented", "Input in Parquet is not implemented.")
        if (told.get("CSV") is None) == (told.get("JSON") is None):
            raise refusal("MissingRequiredParameter", "InputSerialization has one of CSV and JSON.")
        self._inflater = Inflater(kind)
        self._reader = CsvReader(told["CSV"]) if told.get("CSV") is not None else JsonReader(told["JSON"])
        self._write = writer(parameters["OutputSerialization"])
        self.query = query
        self.scanned = self.processed = self.returned = 0

    def feed(self, piece: bytes, *, is_last: bool = False) -> bytes:
        """The rows that a piece completes."""
        self.scanned += len(piece)
        out: list[bytes] = []
        for plain in self._inflater.feed(piece):
            self.processed += len(plain)
            self._take(plain, out, is_last=False)
        if is_last:
            self._inflater.finish()
            self._take(b"", out, is_last=True)
            out += [self._write(row) for row in self.query.last_rows()]
        rows = b"".join(out)
        self.returned += len(rows)
        return rows

    def _take(self, plain: bytes, out: list[bytes], *, is_last: bool) -> None:
        if self.query.is_done:
            return
        for record in self._reader.feed(plain, is_last=is_last):
            out += [self._write(row) for row in self.query.rows(record)]
            if self.query.is_done:
                return

    def stats(self) -> bytes:
        """The payload of a Stats event."""
        counts = (("Scanned", self.scanned), ("Processed", self.processed), ("Returned", self.returned))
        told = "".join(f"<Bytes{name}>{count}</Bytes{name}>" for name, count in counts)
        return f'<Stats xmlns="">{told}</Stats>'.encode()


def _query(text: str, now: datetime) -> Query:
    # sqlglot takes memory and time: only who selects pays.
    from maru.components.aws_s3.model.select.query import Query

    return Query(text, now)


async def _answer(scan: Scan, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        pending = b""
        async for piece in pieces:
            pending += await asyncio.to_thread(scan.feed, piece)
            while len(pending) >= RECORDS_BYTES:
                yield event_stream.event("Records", pending[:RECORDS_BYTES], "application/octet-stream")
                pending = pending[RECORDS_BYTES:]
            if scan.query.is_done:
                break
        pending += await asyncio.to_thread(scan.feed, b"", is_last=True)
        for start in range(0, len(pending), RECORDS_BYTES):
            rows = pending[start : start + RECORDS_BYTES]
            yield event_stream.event("Records", rows, "application/octet-stream")
    except MaruError as error:
        yield event_stream.failure(code_of(error), error.what)
        return
    yield event_stream.event("Stats", scan.stats(), "text/xml")
    yield event_stream.event("End")
