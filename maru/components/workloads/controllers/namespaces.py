"""Namespaces that are being deleted: everything in them goes first.

Source: k8s.io/kubernetes/pkg/controller/namespace/deletion, namespaced_resources_deleter.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from maru.components.workloads.controllers.batches import slow_start
from maru.components.workloads.controllers.kit import Controller, Kit
from maru.components.workloads.model.namespaces import FINALIZER, Remains, terminating_status
from maru.components.workloads.model.values import Place, clone, uid_of, with_status
from maru.contracts.kinds_served import KindsServed
from maru.core.client import DeleteOptions
from maru.core.document import Document, Resource, Value
from maru.core.errors import MaruError, NotFound
from maru.kinds.pod_state import is_deleting
from maru.kinds.resources import NAMESPACES, PODS

LOOK_AGAIN_FIRST_S = 0.1
LOOK_AGAIN_MAX_S = 5.0


class Namespaces(Controller):
    """Empties and finalizes."""

    name = "namespace-controller"

    def __init__(self, kit: Kit, kinds: KindsServed) -> None:
        super().__init__(kit)
        self._kinds = kinds
        self._rounds: dict[str, int] = {}
        self._namespaces = self.watch_own(NAMESPACES)
        self.informer(PODS).on_change(self._pod_changed)

    def _pod_changed(self, new: Document | None, old: Document | None) -> None:
        if new is None and old is not None and old.key.namespace in self._rounds:
            self.loop.add(("", old.key.namespace))

    async def bring_right(self, place: Place) -> float | None:
        _, name = place
        document = self._namespaces.get("", name)
        if document is None or not is_deleting(document.head):
            self._rounds.pop(name, None)
            return None
        if FINALIZER not in (document.value["spec"].get("finalizers") or ()):
            return None
        try:
            namespace = await self.client.get(NAMESPACES, "", name)
        except NotFound:
            return None
        if not is_deleting(namespace) or FINALIZER not in (namespace["spec"].get("finalizers") or ()):
            return None
        remains = await self._empty(name)
        status = terminating_status(namespace, remains, self.clock.now())
        if status != namespace.get("status"):
            namespace = await self.client.update(NAMESPACES, with_status(namespace, status), subresource="status")
        if not remains.is_empty:
            rounds = self._rounds.get(name, 0)
            self._rounds[name] = rounds + 1
            return float(min(LOOK_AGAIN_FIRST_S * 2 ** min(rounds, 16), LOOK_AGAIN_MAX_S))
        self._rounds.pop(name, None)
        await self._finalize(namespace)
        return None

    async def _empty(self, namespace: str) -> Remains:
        kinds: Counter[str] = Counter()
        finalizers: Counter[str] = Counter()
        failures: list[str] = []
        # Pods first: what they use should outlive them.
        served = sorted((each for each in self._kinds.resources() if each.namespaced), key=lambda each: each != PODS)
        for resource in served:
            try:
                left = await self._delete_all(resource, namespace)
            except NotFound:
                continue  # the definition of the kind went away meanwhile
            except MaruError as error:
                failures.append(str(error))
                continue
            if left:
                kinds[f"{resource.plural}.{resource.group}"] += len(left)
                finalizers.update(each for document in left for each in document.metadata.get("finalizers") or ())
        return Remains(dict(kinds), dict(finalizers), tuple(failures))

    async def _delete_all(self, resource: Resource, namespace: str) -> Sequence[Document]:
        page = await self.client.list(resource, namespace)
        if not page.documents:
            return ()
        wanted = [each for each in page.documents if not each.metadata.get("deletionTimestamp")]

        async def delete(number: int) -> None:
            document = wanted[number]
            options = DeleteOptions(propagation="Background", uid=uid_of(document.head))
            try:
                await self.client.delete(resource, namespace, document.key.name, options)
            except NotFound:
                return

        failure = await slow_start(len(wanted), delete)
        if failure is not None:
            raise failure
        return (await self.client.list(resource, namespace)).documents

    async def _finalize(self, namespace: Value) -> None:
        done = clone(namespace)
        done["spec"]["finalizers"] = [each for each in done["spec"]["finalizers"] if each != FINALIZER]
        try:
            await self.client.update(NAMESPACES, done, subresource="finalize")
        except NotFound:
            return
