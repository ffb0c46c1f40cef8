"""Finding or making the ReplicaSet of a Deployment's present template, and numbering revisions.

Source: k8s.io/kubernetes/pkg/controller/deployment/sync.go, getNewReplicaSet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from maru.components.workloads.controllers.batches import is_namespace_going
from maru.components.workloads.model.deployment_status import with_condition
from maru.components.workloads.model.deployments import (
    HASH_LABEL,
    REVISION,
    deadline_s,
    find_new,
    new_replicas,
    next_revision,
    replicas_of,
    set_annotations,
    templates_equal,
)
from maru.components.workloads.model.hashing import template_hash
from maru.components.workloads.model.values import (
    annotations_of,
    clone,
    is_controlled_by,
    owner_reference,
    place_of,
    uid_of,
    with_status,
)
from maru.core.client import Client
from maru.core.clock import Clock
from maru.core.document import Value
from maru.core.errors import AlreadyExists, Conflict, MaruError
from maru.kinds.pod_state import condition
from maru.kinds.resources import DEPLOYMENTS, REPLICASETS

Found = tuple[Value, Value | None, list[Value]]
"""The deployment as it is now, its new ReplicaSet if there is one, and the old ones."""


class NewReplicaSets:
    """Acts for the deployment controller."""

    def __init__(self, client: Client, clock: Clock, event: Callable[[Value, str, str, str], None]) -> None:
        self._client = client
        self._clock = clock
        self._event = event

    async def sync(self, deployment: Value, sets: Sequence[Value], *, create: bool) -> Found:
        """The new ReplicaSet with its revision right; made if there is none and `create`."""
        new = find_new(deployment, sets)
        old = [each for each in sets if new is None or uid_of(each) != uid_of(new)]
        revision = next_revision(old)
        if new is not None:
            new = await self._annotate(deployment, new, revision)
            deployment = await self._note_revision(deployment, annotations_of(new).get(REVISION, str(revision)))
            if condition(deployment, "Progressing") is None:
                message = f'Found new replica set "{new["metadata"]["name"]}"'
                deployment = await self._note(deployment, "True", "FoundNewReplicaSet", message)
            return deployment, new, old
        if not create:
            return deployment, None, old
        deployment, new = await self._create(deployment, old, revision)
        return await self._note_revision(deployment, annotations_of(new).get(REVISION, "")), new, old

    async def _annotate(self, deployment: Value, new: Value, revision: int) -> Value:
        annotations = set_annotations(deployment, new, revision)
        patch: Value = {}
        if annotations != annotations_of(new):
            patch["metadata"] = {"annotations": annotations}
        min_ready_s = int(deployment["spec"].get("minReadySeconds") or 0)
        if int(new["spec"].get("minReadySeconds") or 0) != min_ready_s:
            patch["spec"] = {"minReadySeconds": min_ready_s}
        if not patch:
            return new
        patch.setdefault("metadata", {})["resourceVersion"] = new["metadata"]["resourceVersion"]
        namespace, name = place_of(new)
        return await self._client.patch(REPLICASETS, namespace, name, patch)

    async def _note_revision(self, deployment: Value, revision: str) -> Value:
        if annotations_of(deployment).get(REVISION) == revision:
            return deployment
        namespace, name = place_of(deployment)
        patch = {"metadata": {"uid": uid_of(deployment), "annotations": {REVISION: revision}}}
        return await self._client.patch(DEPLOYMENTS, namespace, name, patch)

    async def _create(self, deployment: Value, old: Sequence[Value], revision: int) -> tuple[Value, Value]:
        wanted = self._wanted(deployment, old, revision)
        namespace, name = place_of(wanted)
        try:
            made = await self._client.create(REPLICASETS, wanted)
        except AlreadyExists:
            made = await self._client.get(REPLICASETS, namespace, name)
            same = templates_equal(made["spec"]["template"], deployment["spec"]["template"])
            if is_controlled_by(made, deployment) and same:
                return deployment, made
            collisions = int(deployment.get("status", {}).get("collisionCount") or 0) + 1
            status = {**deployment.get("status", {}), "collisionCount": collisions}
            await self._client.update(DEPLOYMENTS, with_status(deployment, status), subresource="status")
            raise Conflict(what=f"ReplicaSet {namespace}/{name}", why="another one has this name") from None
        except MaruError as error:
            if not is_namespace_going(error):
                message = f'Failed to create new replica set "{name}": {error}'
                self._event(deployment, "Warning", "ReplicaSetCreateError", message)
                await self._note(deployment, "False", "ReplicaSetCreateError", message)
            raise
        size = replicas_of(made)
        if size > 0:
            text = f"Scaled up replica set {name} from 0 to {size}"
            self._event(deployment, "Normal", "ScalingReplicaSet", text)
        return await self._note(deployment, "True", "NewReplicaSetCreated", f'Created new replica set "{name}"'), made

    def _wanted(self, deployment: Value, old: Sequence[Value], revision: int) -> Value:
        template = clone(deployment["spec"]["template"])
        digest = template_hash(template, deployment.get("status", {}).get("collisionCount"))
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels[HASH_LABEL] = digest
        selector = clone(deployment["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH_LABEL] = digest
        namespace, name = place_of(deployment)
        spec: Value = {
            "replicas": new_replicas(deployment, old, None),
            "selector": selector,
            "template": template,
        }
        if deployment["spec"].get("minReadySeconds"):
            spec["minReadySeconds"] = deployment["spec"]["minReadySeconds"]
        return {
            "apiVersion": REPLICASETS.api_version,
            "kind": REPLICASETS.kind,
            "metadata": {
                "name": f"{name}-{digest}",
                "namespace": namespace,
                "labels": dict(labels),
                "annotations": set_annotations(deployment, None, revision),
                "ownerReferences": [owner_reference(DEPLOYMENTS, deployment)],
            },
            "spec": spec,
        }

    async def _note(self, deployment: Value, verdict: str, reason: str, message: str) -> Value:
        if deadline_s(deployment) is None:
            return deployment
        status = with_condition(
            deployment.get("status", {}), "Progressing", verdict, reason, message, now=self._clock.now()
        )
        if status == deployment.get("status"):
            return deployment
        return await self._client.update(DEPLOYMENTS, with_status(deployment, status), subresource="status")
