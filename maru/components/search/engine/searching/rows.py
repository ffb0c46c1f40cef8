"""What a search goes over: indices as they stood at one refresh, and the documents in them.

A row is a hit whose document is read when it is looked into, and only then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maru.components.search.engine.log import Record
from maru.components.search.engine.operations import Snapshot
from maru.components.search.engine.partition import Partition
from maru.components.search.errors import failure
from maru.components.search.model.mapping.columns import LOCATION, OFFSET, SEQ
from maru.components.search.model.mapping.extract import values_at
from maru.components.search.model.mapping.fields import Field, family_of
from maru.components.search.model.mapping.mapping import Mapping
from maru.wire.elastic.json import Json, Object, decode

if TYPE_CHECKING:
    import tantivy


@dataclass(frozen=True)
class Target:
    """One index to search. filter: of the alias it was named by, None for none. settings: flat, with `index.`."""

    name: str
    mapping: Mapping
    snapshot: Snapshot
    settings: Object = field(default_factory=dict)
    filter: Object | None = None
    boost: float = 1.0
    routings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """One partition of one target."""

    target: Target
    partition: Partition
    searcher: tantivy.Searcher
    order: int


class Row:
    """One hit. offset: which nested object of the document it is, -1 for the document itself."""

    __slots__ = ("_record", "_source", "address", "location", "offset", "place", "score", "seq", "sort")

    def __init__(self, place: Place, address: tantivy.DocAddress, score: float, location: int, seq: int) -> None:
        self.place = place
        self.address = address
        self.score = score
        self.location = location
        self.seq = seq
        self.offset = -1
        self.sort: tuple[Json, ...] = ()
        self._record: Record | None = None
        self._source: Object | None = None

    @property
    def record(self) -> Record:
        """The stored document."""
        if self._record is None:
            self._record = self.place.target.snapshot.record(self.location)
        return self._record

    @property
    def source(self) -> Object:
        """The decoded document; shared."""
        if self._source is None:
            self._source = decode(self.record.source)
            assert self._source is not None
        return self._source

    @property
    def id(self) -> str:
        """Its _id."""
        return self.record.id

    @property
    def index(self) -> str:
        """Its _index."""
        return self.place.target.name

    def values(self, known: Field) -> list[Json]:
        """The values of a field as its columns hold them, malformed and too long ones left out."""
        return field_values(known, self.source)


def field_values(known: Field, source: Json) -> list[Json]:
    """The values of a field of a document as its column holds them."""
    given = values_at(source, known.source)
    if not given and known.null_value is not None:
        given = [known.null_value]
    if known.kind in ("geo_point",) and given and isinstance(given[0], int | float):
        given = [given[index : index + 2] for index in range(0, len(given) - 1, 2)]
    found: list[Json] = []
    above = known.params.get("ignore_above")
    is_text = family_of(known.kind) == "text"
    for value in given:
        try:
            if is_text:
                found.append(str(value))
            elif known.kind in ("flattened", "flat_object"):
                found += _leaves(value)
            elif above is None or not isinstance(value, str) or len(value) <= int(above):
                found.append(known.scalar(value))
        except (ValueError, TypeError, KeyError, OverflowError):
            continue
    return found


def _leaves(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return [leaf for one in value.values() for leaf in _leaves(one)]
    if isinstance(value, list):
        return [leaf for one in value for leaf in _leaves(one)]
    return [] if value is None else [str(value)]


def rows_of(place: Place, hits: Sequence[tuple[float, tantivy.DocAddress]]) -> list[Row]:
    """Rows of hits, in their order."""
    addresses = [address for _, address in hits]
    locations = place.searcher.fast_field_values(LOCATION, addresses)
    seqs = place.searcher.fast_field_values(SEQ, addresses)
    rows = []
    for (score, address), location, seq in zip(hits, locations, seqs, strict=True):
        weight = score if isinstance(score, float) else 1.0
        rows.append(Row(place, address, weight, int(location or 0), int(seq or 0)))
    if any(row.location < 0 for row in rows):
        offsets = place.searcher.fast_field_values(OFFSET, addresses)
        for row, offset in zip(rows, offsets, strict=True):
            row.offset = int(offset or 0)
    return rows


def places_of(targets: Sequence[Target]) -> list[Place]:
    """All partitions of all targets."""
    places: list[Place] = []
    for target in targets:
        for partition, searcher in target.snapshot.partitions:
            places.append(Place(target, partition, searcher, len(places)))
    return places


def too_many(limit: int) -> Exception:
    """The breaker for work that walks documents one by one."""
    return failure(
        429,
        "circuit_breaking_exception",
        (
            f"[request] Data too large, more than [{limit}] documents would be walked through, which is larger "
            f"than the limit of [{limit}]"
        ),
        bytes_wanted=limit,
        bytes_limit=limit,
        durability="TRANSIENT",
    )
