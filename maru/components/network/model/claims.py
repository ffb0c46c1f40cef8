"""Who has which frontend, and how the table changes when an owner's plan does.

Two Services may claim one frontend (the same external address and port); the owner that sorts first
has it, and when it lets go the next one does. So what the table holds depends on the plans alone and
never on the order they came in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from maru.components.network.model.elements import Difference, Elements, difference, elements_of, merge
from maru.components.network.model.flows import StaleFlows
from maru.components.network.model.forwarding import NODE, PROTOCOLS, Backend, Forwarding, Frontend

Owner = tuple[str, str]
"""(namespace, name) of a Service."""

Plans = Mapping[Owner, Mapping[Frontend, Forwarding]]


class Claims:
    """The frontends of all owners."""

    def __init__(self) -> None:
        self._plans: dict[Owner, Mapping[Frontend, Forwarding]] = {}
        self._owners: dict[Frontend, list[Owner]] = {}

    def elements(self) -> Elements:
        """What the table should hold."""
        held: Elements = {}
        for frontend in self._owners:
            forwarding = self._holder(frontend)
            assert forwarding is not None, "a frontend without an owner is not kept"
            merge(held, elements_of(frontend, forwarding))
        return held

    def fill(self, plans: Plans) -> None:
        """Take over the first plans; nobody asks what changes."""
        for owner, plan in plans.items():
            self._set(owner, plan)

    def take(self, plans: Plans) -> tuple[Difference, StaleFlows]:
        """Take over new plans (empty: the owner is gone); what changes, and which flows are stale then."""
        touched: set[Frontend] = set()
        for owner, plan in plans.items():
            before = self._plans.get(owner, {})
            touched |= {
                frontend for frontend in before.keys() | plan.keys() if before.get(frontend) != plan.get(frontend)
            }
        before_all = {frontend: self._holder(frontend) for frontend in touched}
        self.fill(plans)
        after_all = {frontend: self._holder(frontend) for frontend in touched}
        change = difference(_elements(before_all), _elements(after_all))
        return change, _stale(before_all, after_all)

    def _set(self, owner: Owner, plan: Mapping[Frontend, Forwarding]) -> None:
        for frontend in self._plans.pop(owner, {}):
            owners = self._owners[frontend]
            owners.remove(owner)
            if not owners:
                del self._owners[frontend]
        if plan:
            self._plans[owner] = plan
        for frontend in plan:
            owners = self._owners.setdefault(frontend, [])
            owners.append(owner)
            owners.sort()

    def _holder(self, frontend: Frontend) -> Forwarding | None:
        owners = self._owners.get(frontend)
        return self._plans[owners[0]][frontend] if owners else None


def _elements(forwardings: Mapping[Frontend, Forwarding | None]) -> Elements:
    held: Elements = {}
    for frontend, forwarding in forwardings.items():
        if forwarding is not None:
            merge(held, elements_of(frontend, forwarding))
    return held


def _stale(before: Mapping[Frontend, Forwarding | None], after: Mapping[Frontend, Forwarding | None]) -> StaleFlows:
    stale = StaleFlows()
    for frontend, old in before.items():
        if frontend.protocol == "TCP":
            continue
        had, have = set(_backends(old)), set(_backends(after[frontend]))
        number = PROTOCOLS[frontend.protocol]
        if frontend.address != NODE:
            stale.allowed[number, frontend.address, frontend.port] = frozenset(have)
        elif had - have:
            stale.gone[number, frontend.port] = frozenset(had - have)
    return stale


def _backends(forwarding: Forwarding | None) -> Iterable[Backend]:
    return (*forwarding.cluster, *(forwarding.local or ())) if forwarding is not None else ()
