"""pods/binding: the scheduler's decision, written into the Pod once and for all.

Source: k8s.io/kubernetes/pkg/registry/core/pod/storage, BindingREST.
"""

from __future__ import annotations

import msgspec

from maru.components.apiserver.engine.verbs.call import Call, House
from maru.components.apiserver.errors import conflict, invalid, not_found
from maru.core.clock import rfc3339
from maru.core.document import Resource, Value, key_of
from maru.core.errors import Conflict, NotFound
from maru.core.store.interface import Change
from maru.kinds.resources import PODS
from maru.kinds.strategy import Cause

_BINDING = Resource("", "v1", "pods/binding", "Binding", namespaced=True)
_TRIES_MAX = 20
SUCCESS: Value = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


class Bindings:
    """Binds Pods to nodes."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def bind(self, call: Call, value: Value) -> Value:
        """POST of a Binding. Raises NotFound, Conflict if the Pod is bound or going, Invalid."""
        name = call.name or value["metadata"].get("name") or ""
        target = value.get("target") or {}
        causes = _check(target)
        if causes:
            raise invalid(_BINDING, name, causes)
        key = key_of(PODS, call.namespace, name)
        house = self._house
        async with house.locks.hold(key):
            for _ in range(_TRIES_MAX):
                current = house.store.get(key)
                if current is None:
                    raise not_found(PODS, name)
                pod: Value = msgspec.json.decode(current.body)
                _refuse_if_taken(pod, value, name)
                self._assign(pod, value, target["name"])
                if call.options.dry_run:
                    return SUCCESS
                try:
                    await house.store.write([Change(key, pod, current.version)])
                except NotFound as error:
                    raise not_found(PODS, name) from error
                except Conflict:
                    continue  # a write that waits for nobody came first
                return SUCCESS
        raise conflict(_BINDING, name)

    def _assign(self, pod: Value, binding: Value, node: str) -> None:
        pod["spec"]["nodeName"] = node
        metadata = pod["metadata"]
        for field in ("annotations", "labels"):
            added = binding["metadata"].get(field)
            if added:
                metadata[field] = {**(metadata.get(field) or {}), **added}
        conditions = pod.setdefault("status", {}).setdefault("conditions", [])
        scheduled = next((one for one in conditions if one.get("type") == "PodScheduled"), None)
        now = rfc3339(self._house.clock.now())
        if scheduled is None:
            scheduled = {"type": "PodScheduled"}
            conditions.append(scheduled)
        if scheduled.get("status") != "True":
            scheduled["lastTransitionTime"] = now
        for field in ("reason", "message"):
            scheduled.pop(field, None)
        scheduled["status"] = "True"
        scheduled.setdefault("lastProbeTime", None)


def _check(target: Value) -> list[Cause]:
    causes: list[Cause] = []
    if target.get("kind") not in (None, "", "Node"):
        shown = f'Unsupported value: "{target["kind"]}": supported values: "Node", "<empty>"'
        causes.append(Cause("target.kind", "FieldValueNotSupported", shown))
    if not target.get("name"):
        causes.append(Cause("target.name", "FieldValueRequired", "Required value"))
    return causes


def _refuse_if_taken(pod: Value, binding: Value, name: str) -> None:
    metadata = pod["metadata"]
    uid, version = binding["metadata"].get("uid"), binding["metadata"].get("resourceVersion")
    if uid and uid != metadata["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {metadata['uid']}"
        raise conflict(_BINDING, name, why)
    if version and version != metadata["resourceVersion"]:
        raise conflict(_BINDING, name)
    if metadata.get("deletionTimestamp"):
        raise conflict(_BINDING, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if pod["spec"].get("nodeName"):
        raise conflict(_BINDING, name, f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"')
    if pod["spec"].get("schedulingGates"):
        raise conflict(_BINDING, name, f"pod {name} has non-empty .spec.schedulingGates")
