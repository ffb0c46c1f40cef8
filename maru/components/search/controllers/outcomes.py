"""A wanted write, and what became of it."""

from __future__ import annotations

import msgspec

from maru.components.search.engine.operations import Written
from maru.core.errors import MaruError
from maru.wire.elastic.json import Json


class Write(msgspec.Struct, gc=False):
    """One wanted operation on an index by name. kind: index, create, update or delete.

    document: for pipelines and partial updates, decoded; source wins until then.
    """

    kind: str
    target: str
    id: str = ""
    source: bytes = b""
    routing: str = ""
    if_seq: int = -1
    if_term: int = 0
    version: int = -1
    version_type: str = "internal"
    pipeline: str = ""
    retries: int = 0
    require_alias: bool = False
    returns: Json = None  # of an update: the _source wanted back


class Outcome(msgspec.Struct):
    """What became of it: written, or error. index: the concrete name. source: of an update, as it stands now."""

    write: Write
    index: str
    written: Written | None = None
    error: MaruError | None = None
    source: bytes = b""
    refreshed: bool = False
