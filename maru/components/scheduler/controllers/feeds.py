"""What the scheduler hears: Pods and nodes go into the snapshot and the queue, other changes stir the queue.

Source: k8s.io/kubernetes/pkg/scheduler/eventhandlers.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from maru.components.scheduler.model.nodes import Snapshot
from maru.components.scheduler.model.pods import PodFacts, facts_of
from maru.components.scheduler.model.queue import Queue
from maru.components.scheduler.model.terms import Labels
from maru.components.scheduler.model.volumes import VolumeLookup
from maru.core.clock import Clock
from maru.core.document import Document, Value
from maru.core.informer import Informer, Informers
from maru.kinds.pod_state import is_terminal
from maru.kinds.quantity import parse
from maru.kinds.resources import (
    NAMESPACES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODDISRUPTIONBUDGETS,
    PODS,
    STORAGECLASSES,
)

SCHEDULER_NAME = "default-scheduler"


class Feeds:
    """Keeps `snapshot` and `queue` right; `wake` is called when there may be something to place."""

    def __init__(
        self, informers: Informers, clock: Clock, snapshot: Snapshot, queue: Queue, wake: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._snapshot = snapshot
        self._queue = queue
        self._wake = wake
        self._namespaces = informers.of(NAMESPACES)
        self._budgets = informers.of(PODDISRUPTIONBUDGETS)
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._classes = informers.of(STORAGECLASSES)
        self._nodes = informers.of(NODES)
        self._pods = informers.of(PODS)
        self._nodes.on_change(self._node_changed)
        self._pods.on_change(self._pod_changed)
        for informer in (self._claims, self._volumes, self._classes, self._namespaces):
            informer.on_change(self._other_changed)

    async def wait_synced(self) -> None:
        """Return once all first lists are there."""
        informers: Sequence[Informer] = (
            self._nodes,
            self._pods,
            self._namespaces,
            self._budgets,
            self._claims,
            self._volumes,
            self._classes,
        )
        for informer in informers:
            await informer.wait_synced()

    def namespaces(self) -> dict[str, Labels]:
        """The labels of every namespace."""
        return {each.key.name: each.metadata.get("labels") or {} for each in self._namespaces.list()}

    def budgets(self) -> list[Value]:
        """All disruption budgets."""
        return [each.value for each in self._budgets.list()]

    def is_current(self, pod: PodFacts) -> bool:
        """True while the Pod is there, unbound and not being deleted, as far as is known."""
        document = self._pods.get(pod.namespace, pod.name)
        if document is None or document.metadata.get("uid") != pod.uid:
            return False
        if document.metadata.get("deletionTimestamp"):
            return False
        return b'"nodeName"' not in document.body or not document.value["spec"].get("nodeName")

    def volumes(self) -> VolumeLookup:
        """Local reads of claims and volumes."""
        return VolumeLookup(
            claim=lambda namespace, name: _value(self._claims.get(namespace, name)),
            volume=lambda name: _value(self._volumes.get("", name)),
            storage_class=lambda name: _value(self._classes.get("", name)),
            matching=self._matching_volumes,
        )

    def _matching_volumes(self, claim: Value) -> list[Value]:
        wanted = parse(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0")).nano
        found = []
        for document in self._volumes.list():
            spec = document.value["spec"]
            if (
                document.value.get("status", {}).get("phase") == "Available"
                and (spec.get("storageClassName") or "") == (claim["spec"].get("storageClassName") or "")
                and parse((spec.get("capacity") or {}).get("storage", "0")).nano >= wanted
                and set(claim["spec"].get("accessModes") or ()) <= set(spec.get("accessModes") or ())
            ):
                found.append(document.value)
        return found

    def _node_changed(self, new: Document | None, old: Document | None) -> None:
        if new is None:
            assert old is not None
            self._snapshot.drop_node(old.key.name)
            return
        self._snapshot.set_node(new.value)
        if old is None or _placing_facts(new.value) != _placing_facts(old.value):
            self._stir()

    def _pod_changed(self, new: Document | None, old: Document | None) -> None:
        if new is None:
            assert old is not None
            self._gone(old.value)
            return
        pod = new.value
        uid = pod["metadata"].get("uid") or ""
        if is_terminal(pod):
            self._queue.drop(uid)
            self._snapshot.drop_pod(uid)
            if old is None or not is_terminal(old.value):
                self._stir()
            return
        if old is not None and old.metadata.get("uid") != uid:
            self._gone(old.value)
            old = None
        if pod["spec"].get("nodeName"):
            self._bound(pod, old)
        elif pod["spec"].get("schedulerName", SCHEDULER_NAME) == SCHEDULER_NAME:
            self._unbound(pod, old)

    def _bound(self, pod: Value, old: Document | None) -> None:
        facts = facts_of(pod)
        self._queue.drop(facts.uid)
        is_news = old is None or not old.value["spec"].get("nodeName")
        self._snapshot.set_pod(facts)
        if is_news or (old is not None and _pod_facts(pod) != _pod_facts(old.value)):
            self._stir()

    def _unbound(self, pod: Value, old: Document | None) -> None:
        facts = facts_of(pod)
        if self._snapshot.is_assumed(facts.uid):
            return
        if facts.nominated:
            self._snapshot.nominate(facts)
        else:
            self._snapshot.unnominate(facts.uid)
        if facts.is_deleting:
            self._queue.drop(facts.uid)
        elif old is None or _pod_facts(pod) != _pod_facts(old.value):
            self._queue.put(facts, self._clock.monotonic_s())
            self._wake()
        else:
            self._queue.refresh(facts)

    def _gone(self, pod: Value) -> None:
        uid = pod["metadata"].get("uid") or ""
        self._queue.drop(uid)
        self._snapshot.drop_pod(uid)
        if pod["spec"].get("nodeName") or pod.get("status", {}).get("nominatedNodeName"):
            self._stir()

    def _other_changed(self, new: Document | None, old: Document | None) -> None:
        self._stir()

    def _stir(self) -> None:
        self._queue.stir(self._clock.monotonic_s())
        self._wake()


def _value(document: Document | None) -> Value | None:
    return None if document is None else document.value


def _placing_facts(node: Value) -> tuple[object, ...]:
    """What of a node decides about placing; its heartbeats do not."""
    spec, status = node.get("spec", {}), node.get("status", {})
    return (
        node["metadata"].get("labels"),
        spec.get("taints"),
        spec.get("unschedulable"),
        status.get("allocatable"),
    )


def _pod_facts(pod: Value) -> tuple[object, ...]:
    return pod["spec"], pod["metadata"].get("labels"), pod["metadata"].get("deletionTimestamp")
