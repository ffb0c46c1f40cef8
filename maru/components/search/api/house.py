"""What the edges of search share: the parts that answer them, and small readings of parameters."""

from __future__ import annotations

from dataclasses import dataclass

from maru.components.search.api.edge import Call
from maru.components.search.config import SearchConfig
from maru.components.search.controllers.indices import Choice, Indices, Named
from maru.components.search.controllers.jobs import Jobs
from maru.components.search.controllers.lifecycle import Lifecycle
from maru.components.search.controllers.shelves import Shelves
from maru.components.search.controllers.snapshots import Snapshots
from maru.components.search.controllers.templates import Templates
from maru.components.search.controllers.writing import Writing
from maru.components.search.engine.searching.executing import Surroundings
from maru.components.search.errors import illegal
from maru.components.search.model.ingest.pipelines import Pipelines
from maru.core.clock import Clock
from maru.core.ids import Ids
from maru.core.site import Site
from maru.wire.elastic.json import Object, decode

CLUSTER = "maru"


@dataclass(frozen=True)
class House:
    """One of each."""

    site: Site
    config: SearchConfig
    shelves: Shelves
    indices: Indices
    templates: Templates
    pipelines: Pipelines
    writing: Writing
    lifecycle: Lifecycle
    jobs: Jobs
    snapshots: Snapshots
    clock: Clock
    ids: Ids
    started_s: float

    @property
    def node_id(self) -> str:
        return "maru-" + self.site.node_name

    def find(self, call: Call, *, expression: str | None = None, default: Choice | None = None) -> list[Named]:
        """The indices a request names. Raises index_not_found_exception."""
        given = call.part("index") if expression is None else expression
        return self.indices.find(given, choice_of(call, default or Choice()))

    def around(self) -> Surroundings:
        """Time and bounds of one search."""
        most = int(self.indices_setting("search.max_buckets", "65536"))
        return Surroundings(self.indices.now(), self.config.docs_in_memory_max, self._other, most)

    def indices_setting(self, name: str, default: str) -> str:
        """A cluster setting."""
        from maru.components.search.model.definitions import SETTINGS

        spec = self.shelves.of(SETTINGS).get("cluster") or {}
        for kind in ("transient", "persistent"):
            if name in (spec.get(kind) or {}):
                return str(spec[kind][name])
        return default

    def _other(self, name: str, doc_id: str) -> Object | None:
        index = self.indices.get(name) or next((one for one in self.indices.all() if name in one.aliases), None)
        if index is None or index.shard is None:
            return None
        stored = index.shard.get_blocking(doc_id)
        return decode(stored.source) if stored is not None else None


def choice_of(call: Call, default: Choice) -> Choice:
    """ignore_unavailable, allow_no_indices, expand_wildcards. Raises illegal_argument."""
    expand = default.expand
    if call.has("expand_wildcards"):
        names = set(call.arg("expand_wildcards").split(","))
        unknown = names - {"open", "closed", "hidden", "none", "all"}
        if unknown:
            raise illegal(f"No valid expand wildcard value [{unknown.pop()}]")
        expand = frozenset({"open", "closed", "hidden"} if "all" in names else names - {"none"})
    return Choice(
        ignore_unavailable=call.flag("ignore_unavailable", default=default.ignore_unavailable),
        allow_no_indices=call.flag("allow_no_indices", default=default.allow_no_indices),
        expand=expand,
        forbids_closed=default.forbids_closed,
        forbids_aliases=default.forbids_aliases,
    )


def shards_of(count: int) -> Object:
    """The `_shards` of an answer all of whose shards did well."""
    return {"total": count, "successful": count, "skipped": 0, "failed": 0}


def written_shards(replicas: int) -> Object:
    """The `_shards` of a write: the copies that are wanted, and the one there is."""
    return {"total": replicas + 1, "successful": 1, "failed": 0}
