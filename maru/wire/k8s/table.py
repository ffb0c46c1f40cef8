"""The meta.k8s.io/v1 Table that kubectl get asks for, assembled from cells and stored bytes.

Source: Kubernetes API concepts, "Receiving resources as Tables".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from maru.wire.k8s.schema import Value


class TableColumn(msgspec.Struct, frozen=True):
    """A column definition. type: string, integer, number, boolean, date; priority 1 only with -o wide."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


class TableRow(msgspec.Struct, frozen=True):
    """cells: one per column. body: the document's JSON bytes. metadata: its metadata, for includeObject=Metadata."""

    cells: Sequence[object]
    body: bytes
    metadata: Value


def table(
    columns: Sequence[TableColumn],
    rows: Iterable[TableRow],
    list_metadata: Mapping[str, object],
    *,
    include: str = "Metadata",
    version: str = "v1",
) -> bytes:
    """The Table as JSON bytes. include: None, Metadata or Object. version: v1 or v1beta1 of meta.k8s.io.

    columns may be empty (a watch sends them with its first event only). A row's body goes in as it is.
    """
    api_version = f"meta.k8s.io/{version}"
    parts = [
        b'{"kind":"Table","apiVersion":',
        msgspec.json.encode(api_version),
        b',"metadata":',
        msgspec.json.encode(list_metadata),
        b',"columnDefinitions":',
        msgspec.json.encode(columns),
        b',"rows":[',
    ]
    encode = msgspec.json.encode
    separator = b'{"cells":'
    for row in rows:
        parts += [separator, encode(row.cells), b',"object":']
        if include == "Object":
            parts.append(row.body)
        elif include == "Metadata":
            parts += [b'{"kind":"PartialObjectMetadata","apiVersion":"', api_version.encode(), b'","metadata":']
            parts += [encode(row.metadata), b"}"]
        else:
            parts.append(b"null")
        separator = b'},{"cells":'
    parts.append(b"]}" if separator == b'{"cells":' else b"}]}")
    return b"".join(parts)
