"""Small rules for Pods and nodes: priority, default tolerations, runtime class, taints of new nodes.

Source: k8s.io/kubernetes/plugin/pkg/admission: priority, defaulttolerationseconds, runtimeclass,
nodetaint.
"""

from __future__ import annotations

from maru.components.apiserver.admission.review import CREATE, UPDATE, Review, Rule
from maru.components.apiserver.errors import denied
from maru.core.document import Resource, Value, key_of
from maru.core.store.interface import Store
from maru.kinds.quantity import parse
from maru.kinds.resources import NODES, PODS, PRIORITYCLASSES, RUNTIMECLASSES

TOLERATION_S = 300
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
PREEMPT = "PreemptLowerPriority"


class Priority(Rule):
    """priorityClassName to priority; one class may be the default."""

    name = "Priority"

    def __init__(self, store: Store) -> None:
        self._store = store

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates of Pods; creates and updates of priority classes."""
        if subresource:
            return False
        return (operation == CREATE and resource.storage == PODS.storage) or (
            operation in (CREATE, UPDATE) and resource.storage == PRIORITYCLASSES.storage
        )

    async def admit(self, review: Review) -> None:
        """Raises Denied for a class that is not there or a priority that is not the class's."""
        if review.resource.storage != PODS.storage:
            return
        assert review.value is not None
        spec = review.value["spec"]
        chosen = self._class_of(review, spec)
        priority = int(chosen["value"]) if chosen else 0
        if chosen and not spec.get("priorityClassName"):
            spec["priorityClassName"] = chosen["metadata"]["name"]
        given = spec.get("priority")
        if given is not None and given != priority:
            raise denied(
                PODS,
                review.name,
                f"the integer value of priority ({given}) must not be provided in pod spec; "
                f"priority admission controller computed {priority} from the given PriorityClass name",
            )
        spec["priority"] = priority
        policy = (chosen or {}).get("preemptionPolicy") or PREEMPT
        given_policy = spec.get("preemptionPolicy")
        if given_policy and chosen and given_policy != policy:
            raise denied(
                PODS,
                review.name,
                f"the string value of PreemptionPolicy ({given_policy}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name",
            )
        spec["preemptionPolicy"] = given_policy or policy

    async def check(self, review: Review) -> None:
        """At most one default class."""
        value = review.value
        if review.resource.storage != PRIORITYCLASSES.storage or value is None or not value.get("globalDefault"):
            return
        for other in self._store.list(PRIORITYCLASSES.storage).documents:
            if other.value.get("globalDefault") and other.key.name != value["metadata"].get("name"):
                raise denied(
                    PRIORITYCLASSES,
                    review.name,
                    f"PriorityClass {other.key.name} is already marked as default. Only one default can exist",
                )

    def _class_of(self, review: Review, spec: Value) -> Value | None:
        name = spec.get("priorityClassName")
        if name:
            document = self._store.get(key_of(PRIORITYCLASSES, "", name))
            if document is None:
                raise denied(PODS, review.name, f"no PriorityClass with name {name} was found")
            return document.value
        defaults = [
            one.value for one in self._store.list(PRIORITYCLASSES.storage).documents if one.value.get("globalDefault")
        ]
        return min(defaults, key=lambda one: int(one["value"]), default=None)


class DefaultTolerationSeconds(Rule):
    """A Pod stays five minutes on a node that is not ready or cannot be reached."""

    name = "DefaultTolerationSeconds"

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates and updates of Pods."""
        return operation in (CREATE, UPDATE) and resource.storage == PODS.storage and not subresource

    async def admit(self, review: Review) -> None:
        """Adds the two tolerations where none says otherwise."""
        assert review.value is not None
        spec = review.value["spec"]
        tolerations = spec.get("tolerations") or []
        added = [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_S}
            for key in (NOT_READY, UNREACHABLE)
            if not any(_covers(one, key) for one in tolerations)
        ]
        if added:
            spec["tolerations"] = [*tolerations, *added]


class RuntimeClass(Rule):
    """runtimeClassName to overhead and scheduling."""

    name = "RuntimeClass"

    def __init__(self, store: Store) -> None:
        self._store = store

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates of Pods."""
        return operation == CREATE and resource.storage == PODS.storage and not subresource

    async def admit(self, review: Review) -> None:
        """Raises Denied for a class that is not there or an overhead that is not its own."""
        assert review.value is not None
        spec = review.value["spec"]
        name = spec.get("runtimeClassName")
        if not name:
            if spec.get("overhead"):
                raise denied(
                    PODS,
                    review.name,
                    "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
                )
            return
        document = self._store.get(key_of(RUNTIMECLASSES, "", name))
        if document is None:
            raise denied(PODS, review.name, f'pod rejected: RuntimeClass "{name}" not found')
        self._take(review, spec, document.value)

    def _take(self, review: Review, spec: Value, runtime: Value) -> None:
        fixed = (runtime.get("overhead") or {}).get("podFixed")
        if fixed:
            given = spec.get("overhead")
            if given and {key: parse(text) for key, text in given.items()} != {
                key: parse(text) for key, text in fixed.items()
            }:
                raise denied(
                    PODS,
                    review.name,
                    "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
                )
            spec["overhead"] = dict(fixed)
        elif spec.get("overhead"):
            raise denied(
                PODS, review.name, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )
        scheduling = runtime.get("scheduling") or {}
        selector = scheduling.get("nodeSelector") or {}
        own = spec.get("nodeSelector") or {}
        for key, text in selector.items():
            if own.get(key, text) != text:
                raise denied(PODS, review.name, f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {text}")
        if selector:
            spec["nodeSelector"] = {**own, **selector}
        for toleration in scheduling.get("tolerations") or ():
            if toleration not in (spec.get("tolerations") or []):
                spec["tolerations"] = [*(spec.get("tolerations") or []), dict(toleration)]


class TaintNodesByCondition(Rule):
    """A new node is not ready until its controller has looked."""

    name = "TaintNodesByCondition"

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates of nodes."""
        return operation == CREATE and resource.storage == NODES.storage and not subresource

    async def admit(self, review: Review) -> None:
        """Adds the taint."""
        assert review.value is not None
        spec = review.value.setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any(one.get("key") == NOT_READY and one.get("effect") == "NoSchedule" for one in taints):
            spec["taints"] = [*taints, {"key": NOT_READY, "effect": "NoSchedule"}]


def _covers(toleration: Value, key: str) -> bool:
    return toleration.get("key") in (None, "", key) and toleration.get("effect") in (None, "", "NoExecute")
