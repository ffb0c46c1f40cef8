"""Deployments: a new ReplicaSet for every template, and Pods moved over as the strategy allows.

Every round looks at all of it afresh, so a round that was cut short is simply done again.
Source: k8s.io/kubernetes/pkg/controller/deployment, syncDeployment.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.workloads.controllers.claims import OWNER_INDEX, Claims, candidates, index_by_controller
from maru.components.workloads.controllers.kit import NORMAL, WARNING, Controller, Kit
from maru.components.workloads.controllers.new_replica_sets import NewReplicaSets
from maru.components.workloads.model.deployment_status import (
    Progress,
    counts,
    deadline_in_s,
    is_complete,
    pause_status,
    rollout_status,
)
from maru.components.workloads.model.deployments import (
    Sizes,
    find_new,
    is_rolling,
    is_scaling,
    new_replicas,
    old_pods_running,
    old_sizes,
    proportional_sizes,
    replicas_of,
    size_annotations,
    to_clean,
)
from maru.components.workloads.model.values import (
    Place,
    annotations_of,
    controller_of,
    labels_of,
    place_of,
    uid_of,
    with_status,
)
from maru.core.client import DeleteOptions
from maru.core.document import Document, Value
from maru.core.errors import NotFound
from maru.kinds.label_selector import from_selector
from maru.kinds.pod_state import is_deleting
from maru.kinds.resources import DEPLOYMENTS, PODS, REPLICASETS


class Deployments(Controller):
    """Rolls out every Deployment."""

    name = "deployment-controller"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._claims = Claims(self.client, DEPLOYMENTS, REPLICASETS)
        self._new_sets = NewReplicaSets(self.client, self.clock, self.event)
        self._deployments = self.watch_own(DEPLOYMENTS)
        self._sets = self.informer(REPLICASETS)
        index_by_controller(self._sets)
        self.watch(REPLICASETS, self._places_of_set)
        self._pods = self.informer(PODS)
        index_by_controller(self._pods)
        self._pods.on_change(self._pod_changed)

    async def bring_right(self, place: Place) -> float | None:
        document = self._deployments.get(*place)
        if document is None:
            return None
        deployment = document.value
        selector = from_selector(deployment["spec"].get("selector"))
        if selector.is_empty:
            self.event(
                deployment,
                WARNING,
                "SelectingAll",
                "This deployment is selecting all pods. A non-empty selector is required.",
            )
            return None
        sets = await self._claims.claim(deployment, selector, candidates(self._sets, deployment, selector))
        if is_deleting(deployment):
            await self._write_status(deployment, counts(deployment, self._progress(find_new(deployment, sets), sets)))
            return None
        noted = pause_status(deployment, self.clock.now())
        if noted is not None:
            deployment = await self._write_status(deployment, noted)
        if deployment["spec"].get("paused"):
            return await self._resize(deployment, sets, clean=True)
        if is_scaling(deployment, sets):
            return await self._resize(deployment, sets, clean=False)
        if is_rolling(deployment):
            return await self._roll(deployment, sets)
        return await self._recreate(deployment, sets)

    def _progress(self, new: Value | None, sets: Sequence[Value]) -> Progress:
        return Progress(new, sets, self.clock.now())

    async def _resize(self, deployment: Value, sets: list[Value], *, clean: bool) -> float | None:
        deployment, new, old = await self._new_sets.sync(deployment, sets, create=False)
        sizes = {uid_of(each): (each, size) for each, size in proportional_sizes(deployment, new, old)}
        every = [*old, new] if new is not None else old
        done = [await self._scale(deployment, *sizes.get(uid_of(each), (each, replicas_of(each)))) for each in every]
        if clean:
            await self._clean(deployment, old)
        fresh = find_new(deployment, done) if new is not None else None
        status = counts(deployment, self._progress(fresh, done))
        await self._write_status(deployment, status)
        return None

    async def _roll(self, deployment: Value, sets: list[Value]) -> float | None:
        deployment, new, old = await self._new_sets.sync(deployment, sets, create=True)
        assert new is not None
        size = new_replicas(deployment, [*old, new], new)
        if size != replicas_of(new):
            new = await self._scale(deployment, new, size)
            return await self._report(deployment, new, old)
        sizes = old_sizes(deployment, new, old)
        if sizes:
            old = await self._scale_some(deployment, old, sizes)
            return await self._report(deployment, new, old)
        if is_complete(deployment, deployment.get("status", {})):
            await self._clean(deployment, old)
        return await self._report(deployment, new, old)

    async def _recreate(self, deployment: Value, sets: list[Value]) -> float | None:
        deployment, new, old = await self._new_sets.sync(deployment, sets, create=False)
        active = [(each, 0) for each in old if replicas_of(each) > 0]
        if active:
            old = await self._scale_some(deployment, old, active)
            return await self._report(deployment, new, old)
        if old_pods_running(new, old, self._pods_of(sets)):
            return await self._report(deployment, new, old)
        if new is None:
            deployment, new, old = await self._new_sets.sync(deployment, sets, create=True)
        assert new is not None
        if replicas_of(new) != replicas_of(deployment):
            new = await self._scale(deployment, new, replicas_of(deployment))
        if is_complete(deployment, deployment.get("status", {})):
            await self._clean(deployment, old)
        return await self._report(deployment, new, old)

    def _pods_of(self, sets: Sequence[Value]) -> list[Value]:
        return [each.value for owner in sets for each in self._pods.by_index(OWNER_INDEX, uid_of(owner))]

    async def _scale_some(self, deployment: Value, old: Sequence[Value], sizes: Sizes) -> list[Value]:
        scaled = {uid_of(each): await self._scale(deployment, each, size) for each, size in sizes}
        return [scaled.get(uid_of(each), each) for each in old]

    async def _scale(self, deployment: Value, replica_set: Value, size: int) -> Value:
        was = replicas_of(replica_set)
        annotations = size_annotations(deployment)
        stale = any(annotations_of(replica_set).get(key) != text for key, text in annotations.items())
        if size == was and not (stale and was > 0):
            return replica_set
        namespace, name = place_of(replica_set)
        patch: Value = {
            "metadata": {"resourceVersion": replica_set["metadata"]["resourceVersion"], "annotations": annotations}
        }
        if size != was:
            patch["spec"] = {"replicas": size}
        scaled = await self.client.patch(REPLICASETS, namespace, name, patch)
        if size != was:
            way = "up" if size > was else "down"
            text = f"Scaled {way} replica set {name} from {was} to {size}"
            self.event(deployment, NORMAL, "ScalingReplicaSet", text)
        return scaled

    async def _clean(self, deployment: Value, old: Sequence[Value]) -> None:
        for replica_set in to_clean(deployment, old):
            namespace, name = place_of(replica_set)
            try:
                await self.client.delete(REPLICASETS, namespace, name, DeleteOptions(uid=uid_of(replica_set)))
            except NotFound:
                continue

    async def _report(self, deployment: Value, new: Value | None, old: Sequence[Value]) -> float | None:
        sets = [*old, new] if new is not None else list(old)
        status = rollout_status(deployment, self._progress(new, sets))
        await self._write_status(deployment, status)
        return deadline_in_s(deployment, status, self.clock.now())

    async def _write_status(self, deployment: Value, status: Value) -> Value:
        if status == deployment.get("status"):
            return deployment
        return await self.client.update(DEPLOYMENTS, with_status(deployment, status), subresource="status")

    def _places_of_set(self, document: Document) -> list[Place]:
        reference = controller_of(document.head)
        namespace = document.key.namespace
        if reference is not None:
            return [(namespace, reference["name"])] if reference["kind"] == "Deployment" else []
        labels = labels_of(document.head)
        return [
            place_of(owner.head)
            for owner in (self._deployments.list(namespace) if labels else ())
            if from_selector(owner.value["spec"].get("selector")).matches(labels)
        ]

    def _pod_changed(self, new: Document | None, old: Document | None) -> None:
        # Only Recreate waits for Pods themselves; all else shows in the status of ReplicaSets.
        if new is not None or old is None:
            return
        reference = controller_of(old.head)
        if reference is None or reference["kind"] != "ReplicaSet":
            return
        replica_set = self._sets.get(old.key.namespace, reference["name"])
        if replica_set is not None:
            for place in self._places_of_set(replica_set):
                self.loop.add(place)
