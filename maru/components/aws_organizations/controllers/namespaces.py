"""Every account has its namespace, also one that was made by kubectl."""

from __future__ import annotations

from maru.components.aws_organizations.engine.births import Births
from maru.components.aws_organizations.engine.tree import Tree
from maru.core.informer import Place
from maru.core.reconcile import Loop


class Namespaces:
    """See the module."""

    def __init__(self, tree: Tree, births: Births) -> None:
        self._tree = tree
        self._births = births
        self._loop: Loop[Place] = Loop("account namespaces", self._bring_right, tree.clock, tree.ids)
        self._seen: set[str] = set()
        tree.shelves.accounts.on_change(self._changed)

    async def run(self) -> None:
        """Until cancelled."""
        await self._loop.run()

    def _changed(self, place: Place) -> None:
        if place[1] not in self._seen:
            self._loop.add(place)

    async def _bring_right(self, place: Place) -> float | None:
        if self._tree.account(place[1]) is not None:
            await self._births.ensure_namespace(place[1])
            self._seen.add(place[1])
        return None
