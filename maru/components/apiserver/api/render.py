"""Documents to answer bytes in the form a client asked for: whole, as a Table, or as metadata only.

Whole JSON documents are the stored bytes; nothing is decoded for them, and a watch line is encoded
once for all watchers. Source: Kubernetes API concepts, "Receiving resources as Tables",
"Metadata-only fetches".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import ryaml

from maru.components.apiserver.engine.verbs.listing import Listed
from maru.components.apiserver.model.catalog import Served
from maru.components.apiserver.model.negotiate import JSON, METADATA, METADATA_LIST, TABLE, YAML, Form
from maru.core.document import Document, Value
from maru.kinds.strategy import CREATED_COLUMN, NAME_COLUMN, Column
from maru.wire.k8s.table import TableColumn, TableRow, table

_encode = msgspec.json.encode
INITIAL_EVENTS_END = "k8s.io/initial-events-end"
LIST_SHAPES = frozenset({TABLE, METADATA_LIST})
ONE_SHAPES = frozenset({TABLE, METADATA})


class Renderer:
    """Makes answers for one request. include: of a Table, None, Metadata or Object; pretty: indented."""

    def __init__(self, served: Served, form: Form, now: datetime, *, include: str = "", pretty: bool = False) -> None:
        self.form = form
        self._served = served
        self._now = now
        self._include = include or "Metadata"
        self._pretty = pretty
        self._columns: Sequence[Column] = ()
        self._heads: Sequence[TableColumn] = ()
        if form.shape == TABLE:
            self._columns = columns_of(served)
            self._heads = [
                TableColumn(one.name, one.type, one.format, one.description, one.priority) for one in self._columns
            ]

    @property
    def is_plain(self) -> bool:
        """Whether documents are shown as they are stored."""
        return not self.form.shape and self._served.conversion is None

    async def converted(self, documents: Sequence[Document]) -> Sequence[Document]:
        """The documents in the version that is served; the same ones where that is the stored one."""
        conversion = self._served.conversion
        if conversion is None or not documents:
            return documents
        stored = [document.value for document in documents]
        values = await conversion.from_stored(stored)
        return [
            document if value is before else Document(document.key, _encode(value), document.version, value)
            for document, before, value in zip(documents, stored, values, strict=True)
        ]

    async def one(self, document: Document) -> bytes:
        """The answer that shows one document."""
        document = (await self.converted([document]))[0]
        if self.form.shape == TABLE:
            body = self._table([document], {"resourceVersion": str(document.version)}, with_heads=True)
        elif self.form.shape == METADATA:
            body = self._metadata(document)
        else:
            body = document.body
        return self.finish(body)

    async def listing(self, listed: Listed) -> bytes:
        """The answer that shows a page."""
        documents = await self.converted(listed.documents)
        metadata: Value = {"resourceVersion": str(listed.version)}
        if listed.token:
            metadata["continue"] = listed.token
        if listed.remaining is not None:
            metadata["remainingItemCount"] = listed.remaining
        if self.form.shape == TABLE:
            return self.finish(self._table(documents, metadata, with_heads=True))
        if self.form.shape == METADATA_LIST:
            kind, version = "PartialObjectMetadataList", f"meta.k8s.io/{self.form.version}"
            bodies = [self._metadata(document) for document in documents]
        else:
            kind, version = f"{self._served.resource.kind}List", self._served.resource.api_version
            bodies = [document.body for document in documents]
        head = f'{{"kind":"{kind}","apiVersion":"{version}","metadata":'.encode() + _encode(metadata) + b',"items":['
        return self.finish(b"".join((head, b",".join(bodies), b"]}")))

    def line(self, kind: str, document: Document, *, is_first: bool) -> bytes:
        """One watch event, ended by a newline. is_first: a Table's column definitions come with it."""
        if self.form.shape == TABLE:
            metadata = {"resourceVersion": str(document.version)}
            body = self._table([document], metadata, with_heads=is_first)
        elif self.form.shape in (METADATA, METADATA_LIST):
            body = self._metadata(document)
        else:
            return document.event_line(kind)
        return b'{"type":"' + kind.encode() + b'","object":' + body + b"}\n"

    def bookmark(self, version: int, *, is_initial_end: bool, is_first: bool) -> bytes:
        """A BOOKMARK line."""
        metadata: Value = {"resourceVersion": str(version), "creationTimestamp": None}
        if is_initial_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        resource = self._served.resource
        value: Value = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        if self.form.shape == TABLE:
            row = TableRow([None] * len(self._columns), _encode(value), metadata)
            heads = self._heads if is_first else ()
            body = table(
                heads, [row], {"resourceVersion": str(version)}, include=self._include, version=self.form.version
            )
        elif self.form.shape:
            body = _encode({"kind": METADATA, "apiVersion": f"meta.k8s.io/{self.form.version}", "metadata": metadata})
        else:
            body = _encode(value)
        return b'{"type":"BOOKMARK","object":' + body + b"}\n"

    def finish(self, body: bytes) -> bytes:
        """JSON bytes in the media type and layout asked for."""
        return finish(body, self.form.media, pretty=self._pretty)

    def _table(self, documents: Sequence[Document], metadata: Value, *, with_heads: bool) -> bytes:
        rows = [
            TableRow([column.cell(value, self._now) for column in self._columns], document.body, value["metadata"])
            for document, value in ((document, document.value) for document in documents)
        ]
        heads = self._heads if with_heads else ()
        return table(heads, rows, metadata, include=self._include, version=self.form.version)

    def _metadata(self, document: Document) -> bytes:
        head = f'{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/{self.form.version}","metadata":'
        return head.encode() + _encode(document.value["metadata"]) + b"}"


def columns_of(served: Served) -> Sequence[Column]:
    """The columns a kind is printed with."""
    if served.custom is not None:
        return served.custom.columns or (NAME_COLUMN, CREATED_COLUMN)
    return served.strategy.columns


def finish(body: bytes, media: str, *, pretty: bool = False) -> bytes:
    """JSON bytes as `media` (JSON or YAML), indented by two if `pretty`."""
    if media == YAML:
        return ryaml.dumps(msgspec.json.decode(body)).encode()
    if pretty and media == JSON:
        return msgspec.json.format(body, indent=2) + b"\n"
    return body
