"""StatefulSets: Pods with names, an order, and storage of their own.

Source: k8s.io/kubernetes/pkg/controller/statefulset.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.workloads.controllers.claims import Claims, candidates, index_by_controller
from maru.components.workloads.controllers.kit import NORMAL, WARNING, Controller, Kit
from maru.components.workloads.controllers.revisions import Revisions
from maru.components.workloads.model.revisions import POD_HASH_LABEL
from maru.components.workloads.model.stateful_pods import (
    claim_name,
    claim_owners,
    claims,
    is_member,
    merged_owners,
    new_pod,
    ordinal_of,
)
from maru.components.workloads.model.stateful_sets import StatefulPlan, StatefulView, next_available_s, plan, status
from maru.components.workloads.model.values import (
    Place,
    controller_of,
    labels_of,
    place_of,
    uid_of,
    with_status,
)
from maru.core.client import DeleteOptions
from maru.core.document import Document, Value
from maru.core.errors import AlreadyExists, Conflict, MaruError, NotFound
from maru.kinds.label_selector import from_selector
from maru.kinds.resources import CONTROLLERREVISIONS, PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS


class StatefulSets(Controller):
    """Keeps every StatefulSet."""

    name = "statefulset-controller"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._claims = Claims(self.client, STATEFULSETS, PODS)
        self._sets = self.watch_own(STATEFULSETS)
        self._pods = self.informer(PODS)
        index_by_controller(self._pods)
        self.watch(PODS, self._places_of_pod)
        self._volume_claims = self.informer(PERSISTENTVOLUMECLAIMS)
        self._revisions = Revisions(self.client, STATEFULSETS, self.informer(CONTROLLERREVISIONS))

    async def bring_right(self, place: Place) -> float | None:
        document = self._sets.get(*place)
        if document is None:
            return None
        stateful_set = document.value
        selector = from_selector(stateful_set["spec"].get("selector"))
        mine = await self._claims.claim(stateful_set, selector, candidates(self._pods, stateful_set, selector))
        pods = [pod for pod in mine if is_member(stateful_set, pod)]
        revisions = await self._revisions.of(stateful_set, selector)
        update = await self._revisions.sync(stateful_set, revisions)
        current_name = stateful_set.get("status", {}).get("currentRevision")
        current = next((each for each in revisions if each["metadata"]["name"] == current_name), update)
        view = StatefulView(stateful_set, pods, current, update, self.clock.now())
        failure = await self._carry_out(view, plan(view))
        new = status(view)
        if new != stateful_set.get("status"):
            stateful_set = await self.client.update(STATEFULSETS, with_status(stateful_set, new), subresource="status")
        live = {current["metadata"]["name"], update["metadata"]["name"], new["currentRevision"]}
        live |= {labels_of(pod).get(POD_HASH_LABEL, "") for pod in pods}
        await self._revisions.truncate(stateful_set, revisions, live)
        if failure is not None:
            raise failure
        return next_available_s(view)

    async def _carry_out(self, view: StatefulView, want: StatefulPlan) -> MaruError | None:
        try:
            await self._fix_claims(view, want)
            for pod in want.delete:
                await self._delete(view.stateful_set, pod, is_recreated=pod in want.recreated)
            for ordinal in want.create:
                await self._create(view, ordinal)
        except MaruError as error:
            return error
        return None

    async def _create(self, view: StatefulView, ordinal: int) -> None:
        owner = view.stateful_set
        pod = new_pod(owner, view.revision_for(ordinal), ordinal)
        pod_name, set_name = pod["metadata"]["name"], owner["metadata"]["name"]
        for claim in claims(owner, ordinal):
            await self._create_claim(owner, claim, pod_name)
        try:
            await self.client.create(PODS, pod)
        except AlreadyExists:
            return
        except MaruError as error:
            text = f"create Pod {pod_name} in StatefulSet {set_name} failed error: {error}"
            self.event(owner, WARNING, "FailedCreate", text)
            raise
        text = f"create Pod {pod_name} in StatefulSet {set_name} successful"
        self.event(owner, NORMAL, "SuccessfulCreate", text)

    async def _create_claim(self, owner: Value, claim: Value, pod_name: str) -> None:
        namespace, name = place_of(claim)
        existing = self._volume_claims.get(namespace, name)
        if existing is not None:
            if existing.metadata.get("deletionTimestamp"):
                raise Conflict(what=f"claim {namespace}/{name}", why="it is being deleted and cannot be used again")
            return
        where = f"Claim {name} Pod {pod_name} in StatefulSet {owner['metadata']['name']}"
        try:
            await self.client.create(PERSISTENTVOLUMECLAIMS, claim)
        except AlreadyExists:
            return
        except MaruError as error:
            self.event(owner, WARNING, "FailedCreate", f"create {where} failed error: {error}")
            raise
        self.event(owner, NORMAL, "SuccessfulCreate", f"create {where} success")

    async def _delete(self, owner: Value, pod: Value, *, is_recreated: bool) -> None:
        namespace, name = place_of(pod)
        set_name = owner["metadata"]["name"]
        if is_recreated:
            text = f"StatefulSet {namespace}/{set_name} is recreating failed Pod {name}"
            self.event(owner, WARNING, "RecreatingFailedPod", text)
        try:
            await self.client.delete(PODS, namespace, name, DeleteOptions(uid=uid_of(pod)))
        except NotFound:
            return
        except MaruError as error:
            text = f"delete Pod {name} in StatefulSet {set_name} failed error: {error}"
            self.event(owner, WARNING, "FailedDelete", text)
            raise
        text = f"delete Pod {name} in StatefulSet {set_name} successful"
        self.event(owner, NORMAL, "SuccessfulDelete", text)

    async def _fix_claims(self, view: StatefulView, want: StatefulPlan) -> None:
        """Make the owners of claims follow the retention policy."""
        owner = view.stateful_set
        if not owner["spec"].get("volumeClaimTemplates"):
            return
        for pod in view.pods:
            ordinal = ordinal_of(pod)
            wanted = claim_owners(owner, pod, is_condemned=ordinal not in view.ordinals)
            for template in owner["spec"]["volumeClaimTemplates"]:
                name = claim_name(owner, template["metadata"]["name"], ordinal)
                document = self._volume_claims.get(owner["metadata"]["namespace"], name)
                if document is not None:
                    await self._set_claim_owners(owner, document.value, wanted)

    async def _set_claim_owners(self, owner: Value, claim: Value, wanted: Sequence[Value]) -> None:
        owners = merged_owners(owner, claim, list(wanted))
        if owners is None:
            return
        namespace, name = place_of(claim)
        metadata = {"resourceVersion": claim["metadata"]["resourceVersion"], "ownerReferences": owners or None}
        await self.client.patch(PERSISTENTVOLUMECLAIMS, namespace, name, {"metadata": metadata})

    def _places_of_pod(self, document: Document) -> list[Place]:
        reference = controller_of(document.head)
        namespace = document.key.namespace
        if reference is not None:
            return [(namespace, reference["name"])] if reference["kind"] == "StatefulSet" else []
        labels = labels_of(document.head)
        return [
            place_of(each.head)
            for each in (self._sets.list(namespace) if labels else ())
            if from_selector(each.value["spec"].get("selector")).matches(labels)
        ]
