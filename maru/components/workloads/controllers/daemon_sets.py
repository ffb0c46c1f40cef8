"""DaemonSets: one Pod on every node that fits.

Source: k8s.io/kubernetes/pkg/controller/daemon, syncDaemonSet.
"""

from __future__ import annotations

from maru.components.workloads.controllers.batches import all_at_once, is_namespace_going, slow_start
from maru.components.workloads.controllers.claims import Claims, candidates
from maru.components.workloads.controllers.kit import WARNING, Controller, Kit
from maru.components.workloads.controllers.own_pods import OwnPods
from maru.components.workloads.controllers.revisions import Revisions
from maru.components.workloads.model.daemon_sets import (
    DaemonPlan,
    DaemonView,
    new_pod,
    next_available_s,
    plan,
    runs_on,
    status,
)
from maru.components.workloads.model.revisions import POD_HASH_LABEL, hash_of
from maru.components.workloads.model.values import Place, controller_of, labels_of, place_of, with_status
from maru.core.document import Document, Value
from maru.core.errors import MaruError
from maru.kinds.label_selector import from_selector
from maru.kinds.pod_state import is_deleting
from maru.kinds.resources import CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS

FAILED_BACKOFF_FIRST_S = 1.0
FAILED_BACKOFF_MAX_S = 900.0


class DaemonSets(Controller):
    """Keeps every DaemonSet."""

    name = "daemon-set-controller"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._failures: dict[tuple[Place, str], tuple[int, float]] = {}
        self._claims = Claims(self.client, DAEMONSETS, PODS)
        self._sets = self.watch_own(DAEMONSETS)
        self._nodes = self.informer(NODES)
        self._nodes.on_change(self._node_changed)
        self._own = OwnPods(self)
        self._pods = self._own.pods
        self.watch(PODS, self._places_of_pod)
        self._revisions = Revisions(self.client, DAEMONSETS, self.informer(CONTROLLERREVISIONS))

    def _node_changed(self, new: Document | None, old: Document | None) -> None:
        if new is not None and old is not None and _placing_facts(new.value) == _placing_facts(old.value):
            return
        for document in self._sets.list():
            affected = new is None or old is None
            if not affected and new is not None and old is not None:
                affected = runs_on(document.value, new.value) != runs_on(document.value, old.value)
            if affected:
                self.loop.add(place_of(document.head))

    async def bring_right(self, place: Place) -> float | None:
        document = self._sets.get(*place)
        if document is None:
            self._own.expectations.forget(place)
            return None
        daemon_set = document.value
        selector = from_selector(daemon_set["spec"].get("selector"))
        if selector.is_empty:
            text = "This daemon set is selecting all pods. A non-empty selector is required."
            self.event(daemon_set, WARNING, "SelectingAll", text)
            return None
        pods = await self._claims.claim(daemon_set, selector, candidates(self._pods, daemon_set, selector))
        revisions = await self._revisions.of(daemon_set, selector)
        revision = await self._revisions.sync(daemon_set, revisions)
        nodes = [each.value for each in self._nodes.list()]
        view = DaemonView(daemon_set, sorted(nodes, key=_name), pods, revision, self.clock.now())
        failure: MaruError | None = None
        again_s: float | None = None
        if self._own.expectations.is_met(place):
            want = plan(view)
            again_s = self._hold_back(place, want)
            failure = await self._carry_out(view, want)
        new = status(view)
        if new != daemon_set.get("status"):
            daemon_set = await self.client.update(DAEMONSETS, with_status(daemon_set, new), subresource="status")
        live = {hash_of(revision), *(labels_of(pod).get(POD_HASH_LABEL, "") for pod in pods)}
        await self._revisions.truncate(daemon_set, revisions, live)
        if failure is not None and not is_namespace_going(failure):
            raise failure
        return min((each for each in (again_s, next_available_s(view)) if each is not None), default=None)

    def _hold_back(self, place: Place, want: DaemonPlan) -> float | None:
        """Leave failed Pods in place until their node's back-off is over; the seconds until the first is."""
        wait_s: float | None = None
        for pod in list(want.failed):
            key = (place, str(pod["spec"].get("nodeName") or ""))
            count, until_s = self._failures.get(key, (0, 0.0))
            now_s = self.clock.monotonic_s()
            if until_s > now_s:
                want.failed.remove(pod)
                want.delete.remove(pod)
                wait_s = until_s - now_s if wait_s is None else min(wait_s, until_s - now_s)
                continue
            delay_s = min(FAILED_BACKOFF_FIRST_S * 2 ** min(count, 16), FAILED_BACKOFF_MAX_S)
            if until_s and now_s - until_s > 2 * FAILED_BACKOFF_MAX_S:
                count, delay_s = 0, FAILED_BACKOFF_FIRST_S
            self._failures[key] = (count + 1, now_s + delay_s)
        return wait_s

    async def _carry_out(self, view: DaemonView, want: DaemonPlan) -> MaruError | None:
        owner = view.daemon_set

        async def create(number: int) -> None:
            await self._own.create(owner, new_pod(view, want.create[number], self.ids.suffix()))

        async def delete(number: int) -> None:
            await self._delete(owner, want.delete[number], is_failed=want.delete[number] in want.failed)

        self._own.expect_deleted(owner, want.delete)
        failure = await slow_start(len(want.create), create)
        return await all_at_once(range(len(want.delete)), delete) or failure

    async def _delete(self, owner: Value, pod: Value, *, is_failed: bool) -> None:
        namespace, name = place_of(pod)
        if is_failed:
            node = pod["spec"].get("nodeName")
            text = f"Found failed daemon pod {namespace}/{name} on node {node}, will try to kill it"
            self.event(owner, WARNING, "FailedDaemonPod", text)
        await self._own.delete(owner, pod)

    def _places_of_pod(self, document: Document) -> list[Place]:
        reference = controller_of(document.head)
        namespace = document.key.namespace
        if reference is not None:
            return [(namespace, reference["name"])] if reference["kind"] == "DaemonSet" else []
        labels = labels_of(document.head)
        return [
            place_of(each.head)
            for each in (self._sets.list(namespace) if labels else ())
            if not is_deleting(each.head) and from_selector(each.value["spec"].get("selector")).matches(labels)
        ]


def _name(node: Value) -> str:
    return str(node["metadata"]["name"])


def _placing_facts(node: Value) -> tuple[object, ...]:
    return node["metadata"].get("labels"), node["spec"].get("taints")
