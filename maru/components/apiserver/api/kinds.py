"""What is served, for controllers that act on every kind: the catalog as a `KindsServed`."""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.apiserver.model.catalog import Catalog
from maru.core.document import Resource

_NEEDED = frozenset(("list", "watch", "delete"))


class CatalogKinds:
    """Reads the catalog afresh each time it changed."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._generation = -1
        self._resources: Sequence[Resource] = ()

    def resources(self) -> Sequence[Resource]:
        """As contracts.kinds_served.KindsServed: every stored kind once, in the version it is kept in."""
        if self._generation != self._catalog.generation:
            self._generation = self._catalog.generation
            self._resources = [
                one.resource
                for one in self._catalog.all
                if self._catalog.of_storage(one.stored.storage) is one and one.verbs >= _NEEDED
            ]
        return self._resources
