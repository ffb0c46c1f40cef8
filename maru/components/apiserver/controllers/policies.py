"""Type checking of ValidatingAdmissionPolicies: once for each generation, into their status.

Source: k8s.io/kubernetes/pkg/controller/validatingadmissionpolicystatus.
"""

from __future__ import annotations

import msgspec

from maru.components.apiserver.admission.dynamic.configurations import VALIDATING_POLICIES
from maru.components.apiserver.admission.dynamic.type_checking import TypeChecker
from maru.components.apiserver.controllers.bootstrap.ensure import MANAGER, SELF
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.components.apiserver.engine.verbs.turns import turn
from maru.components.apiserver.engine.verbs.update import save
from maru.components.apiserver.model.options import WriteOptions
from maru.core.document import Value, key_of
from maru.core.errors import Gone
from maru.core.lifecycle import Background
from maru.core.reconcile import Loop


class Policies:
    """Writes what type checking found."""

    def __init__(self, house: House, checker: TypeChecker) -> None:
        self._house = house
        self._checker = checker
        self.loop = Loop("policies", self.bring_right, house.clock, house.ids)

    def start(self, tasks: Background) -> None:
        """Follow the policies until the scope ends."""
        tasks.start(self.loop.run(), "policies")
        tasks.start(self._follow(), "policies watch")

    async def bring_right(self, name: str) -> float | None:
        """One policy."""
        house = self._house
        document = house.store.get(key_of(VALIDATING_POLICIES, "", name))
        if document is None:
            return None
        value: Value = msgspec.json.decode(document.body)
        status = value.get("status") or {}
        generation = value["metadata"].get("generation")
        if status.get("typeChecking") is not None and status.get("observedGeneration") == generation:
            return None
        warnings = self._checker.warnings(value)
        checked: Value = {"expressionWarnings": list(warnings)} if warnings else {}
        value["status"] = {**status, "observedGeneration": generation, "typeChecking": checked}
        served = house.catalog.of(VALIDATING_POLICIES)
        assert served is not None, "policies are built in"
        options = WriteOptions(field_manager=MANAGER, validation="Ignore")
        call = Call(SELF, served, "", name, "status", options)
        async with turn(house, call):
            await save(house, call, document, value)
        return None

    async def _follow(self) -> None:
        store, storage = self._house.store, VALIDATING_POLICIES.storage
        while True:
            listing = store.list(storage)
            for document in listing.documents:
                self.loop.add(document.key.name)
            try:
                watch = store.watch(storage, since=listing.version)
                try:
                    while True:
                        for event in await watch.batch():
                            self.loop.add(event.document.key.name)
                finally:
                    watch.close()
            except Gone:
                continue
