"""DaemonSets: which nodes should have a Pod, and in which order Pods are renewed.

Source: k8s.io/kubernetes/pkg/controller/daemon, daemon_controller.go and update.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from maru.components.workloads.model.pods import pod_from_template
from maru.components.workloads.model.revisions import POD_HASH_LABEL, hash_of
from maru.components.workloads.model.values import age_key, annotations_of, generation_of, labels_of, resolve_share
from maru.core.document import Value
from maru.kinds.label_selector import requirement_of
from maru.kinds.pod_state import available_in_s, is_deleting, is_ready, is_terminal, node_name, phase
from maru.kinds.resources import DAEMONSETS

GENERATION_ANNOTATION = "deprecated.daemonset.template.generation"
GENERATION_LABEL = "pod-template-generation"
_NODE_NAME = "metadata.name"
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_HOST_NETWORK_TOLERATED = ("node.kubernetes.io/network-unavailable", "NoSchedule")


@dataclass(frozen=True, slots=True)
class DaemonView:
    """nodes: all there are; pods: the set's own; revision: of the present template."""

    daemon_set: Value
    nodes: Sequence[Value]
    pods: Sequence[Value]
    revision: Value
    now: datetime

    @property
    def min_ready_s(self) -> int:
        """minReadySeconds."""
        return int(self.daemon_set["spec"].get("minReadySeconds") or 0)

    def is_available(self, pod: Value) -> bool:
        """Ready for long enough."""
        return available_in_s(pod, self.min_ready_s, self.now) == 0

    def is_new(self, pod: Value) -> bool:
        """True when it has the present template."""
        labels = labels_of(pod)
        generation = annotations_of(self.daemon_set).get(GENERATION_ANNOTATION)
        by_generation = generation is not None and labels.get(GENERATION_LABEL) == generation
        return by_generation or labels.get(POD_HASH_LABEL) == hash_of(self.revision)

    def by_node(self) -> dict[str, list[Value]]:
        """The Pods by the node they are on or meant for."""
        found: dict[str, list[Value]] = {}
        for pod in self.pods:
            name = node_name(pod) or meant_for(pod)
            if name:
                found.setdefault(name, []).append(pod)
        return found

    def bounds(self, desired: int) -> tuple[int, int]:
        """(surge, unavailable) as counts of `desired`."""
        rolling = (self.daemon_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        surge = resolve_share(rolling.get("maxSurge") or 0, desired, round_up=True)
        share = rolling.get("maxUnavailable")
        unavailable = resolve_share(1 if share is None else share, desired, round_up=True)
        return surge, (1 if surge == 0 and unavailable == 0 and desired > 0 else unavailable)


@dataclass(slots=True)
class DaemonPlan:
    """create: node names; delete: Pods; failed: those of `delete` that ended by themselves."""

    create: list[str] = field(default_factory=list)
    delete: list[Value] = field(default_factory=list)
    failed: list[Value] = field(default_factory=list)


def meant_for(pod: Value) -> str:
    """The one node that an unbound Pod is pinned to, or empty."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for each in term.get("matchFields") or ():
            if each["key"] == _NODE_NAME and len(each.get("values") or ()) == 1:
                return str(each["values"][0])
    return ""


def tolerations_for(template_spec: Value) -> list[Value]:
    """The template's tolerations and those that every daemon Pod gets."""
    tolerations = list(template_spec.get("tolerations") or ())
    added = [*_TOLERATED, *((_HOST_NETWORK_TOLERATED,) if template_spec.get("hostNetwork") else ())]
    for key, effect in added:
        entry = {"key": key, "operator": "Exists", "effect": effect}
        if entry not in tolerations:
            tolerations.append(entry)
    return tolerations


def runs_on(daemon_set: Value, node: Value) -> tuple[bool, bool]:
    """(should run, may keep running) on `node`."""
    spec = daemon_set["spec"]["template"].get("spec") or {}
    name, labels = node["metadata"]["name"], labels_of(node)
    if spec.get("nodeName") and spec["nodeName"] != name:
        return False, False
    selector = spec.get("nodeSelector") or {}
    if not selector.items() <= labels.items() or not _affinity_allows(spec, name, labels):
        return False, False
    tolerations = tolerations_for(spec)
    fits, stays = True, True
    for taint in node["spec"].get("taints") or ():
        if taint.get("effect") not in ("NoSchedule", "NoExecute") or _is_tolerated(tolerations, taint):
            continue
        fits = False
        stays = stays and taint["effect"] != "NoExecute"
    return fits, stays


def _is_tolerated(tolerations: Sequence[Value], taint: Value) -> bool:
    for each in tolerations:
        if each.get("effect") not in (None, "", taint["effect"]) or each.get("key") not in (None, "", taint["key"]):
            continue
        if each.get("operator", "Equal") == "Exists":
            return True
        if each.get("key") and (each.get("value") or "") == (taint.get("value") or ""):
            return True
    return False


def _affinity_allows(spec: Value, name: str, labels: Mapping[str, str]) -> bool:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_term_allows(term, name, labels) for term in required.get("nodeSelectorTerms") or ())


def _term_allows(term: Value, name: str, labels: Mapping[str, str]) -> bool:
    by_label = [requirement_of(each) for each in term.get("matchExpressions") or ()]
    by_field = [requirement_of(each) for each in term.get("matchFields") or ()]
    if not by_label and not by_field:
        return False
    return all(each.matches(labels) for each in by_label) and all(each.matches({_NODE_NAME: name}) for each in by_field)


def new_pod(view: DaemonView, node: str, suffix: str) -> Value:
    """The Pod for `node`, which the scheduler will bind there."""
    daemon_set = view.daemon_set
    pod = pod_from_template(daemon_set["spec"]["template"], daemon_set, DAEMONSETS, suffix=suffix)
    labels = pod["metadata"].setdefault("labels", {})
    labels[POD_HASH_LABEL] = hash_of(view.revision)
    generation = annotations_of(daemon_set).get(GENERATION_ANNOTATION)
    if generation is not None:
        labels[GENERATION_LABEL] = generation
    spec = pod["spec"]
    spec["tolerations"] = tolerations_for(spec)
    term = {"matchFields": [{"key": _NODE_NAME, "operator": "In", "values": [node]}]}
    node_affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
    node_affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": [term]}
    return pod


def plan(view: DaemonView) -> DaemonPlan:
    """What brings every node right: missing and surplus Pods first, then the next step of an update."""
    want = DaemonPlan()
    if is_deleting(view.daemon_set):
        return want
    by_node = view.by_node()
    for node in view.nodes:
        _plan_node(view, node, by_node.get(node["metadata"]["name"], []), want)
    known = {node["metadata"]["name"] for node in view.nodes}
    for name, pods in by_node.items():
        if name not in known:
            # A Pod that waits for a node that is gone would wait for ever.
            want.delete += [pod for pod in pods if not node_name(pod) and not is_deleting(pod)]
    strategy = (view.daemon_set["spec"].get("updateStrategy") or {}).get("type") or "RollingUpdate"
    if strategy == "RollingUpdate" and not want.create and not want.delete:
        _renew(view, by_node, want)
    return want


def _plan_node(view: DaemonView, node: Value, pods: Sequence[Value], want: DaemonPlan) -> None:
    should_run, may_stay = runs_on(view.daemon_set, node)
    if not may_stay:
        want.delete += [pod for pod in pods if not is_deleting(pod)]
        return
    living = []
    for pod in pods:
        if is_deleting(pod):
            continue
        if is_terminal(pod):
            want.delete.append(pod)
            want.failed.append(pod)
        else:
            living.append(pod)
    if should_run and not pods:
        want.create.append(node["metadata"]["name"])
        return
    surge, _ = view.bounds(len(view.nodes))
    new = [pod for pod in living if view.is_new(pod)]
    old = [pod for pod in living if not view.is_new(pod)]
    if surge == 0:
        want.delete += _surplus(living)
        return
    want.delete += _surplus(new)
    if new and old and not any(view.is_available(pod) for pod in new):
        want.delete += _surplus(old)
    elif new:
        want.delete += old
    else:
        want.delete += _surplus(old)


def _surplus(pods: Sequence[Value]) -> list[Value]:
    """All but the one to keep: bound before unbound, older before younger."""
    return sorted(pods, key=lambda pod: (not node_name(pod), phase(pod) != "Running", age_key(pod)))[1:]


def _renew(view: DaemonView, by_node: Mapping[str, Sequence[Value]], want: DaemonPlan) -> None:
    nodes = [node["metadata"]["name"] for node in view.nodes if runs_on(view.daemon_set, node)[0]]
    surge, unavailable = view.bounds(len(nodes))
    if surge > 0:
        _renew_with_surge(view, nodes, by_node, surge, want)
        return
    missing = 0
    broken: list[Value] = []
    candidates: list[Value] = []
    for name in nodes:
        living = [pod for pod in by_node.get(name, ()) if not is_deleting(pod)]
        new = next((pod for pod in living if view.is_new(pod)), None)
        old = next((pod for pod in living if not view.is_new(pod)), None)
        if new is not None:
            missing += 0 if view.is_available(new) else 1
        elif old is None:
            missing += 1
        elif not view.is_available(old):
            missing += 1
            broken.append(old)
        else:
            candidates.append(old)
    want.delete += broken + candidates[: max(0, unavailable - missing)]


def _renew_with_surge(
    view: DaemonView, nodes: Sequence[str], by_node: Mapping[str, Sequence[Value]], surge: int, want: DaemonPlan
) -> None:
    used = 0
    candidates: list[str] = []
    for name in nodes:
        living = [pod for pod in by_node.get(name, ()) if not is_deleting(pod)]
        new = next((pod for pod in living if view.is_new(pod)), None)
        old = next((pod for pod in living if not view.is_new(pod)), None)
        if old is None:
            continue
        if new is not None:
            used += 0 if view.is_available(new) else 1
        elif not view.is_available(old):
            want.create.append(name)
        else:
            candidates.append(name)
    want.create += candidates[: max(0, surge - used - len(want.create))]


def status(view: DaemonView) -> Value:
    """The status to report."""
    by_node = view.by_node()
    counts = dict.fromkeys(("desired", "current", "misscheduled", "ready", "available", "updated"), 0)
    for node in view.nodes:
        should_run, _ = runs_on(view.daemon_set, node)
        pods = [pod for pod in by_node.get(node["metadata"]["name"], ()) if node_name(pod)]
        if not should_run:
            counts["misscheduled"] += 1 if pods else 0
            continue
        counts["desired"] += 1
        if not pods:
            continue
        counts["current"] += 1
        pod = sorted(pods, key=age_key)[-1 if any(view.is_new(each) for each in pods) else 0]
        counts["ready"] += 1 if is_ready(pod) and not is_deleting(pod) else 0
        counts["available"] += 1 if view.is_available(pod) and not is_deleting(pod) else 0
        counts["updated"] += 1 if view.is_new(pod) else 0
    old = view.daemon_set.get("status", {})
    report: Value = {
        "currentNumberScheduled": counts["current"],
        "numberMisscheduled": counts["misscheduled"],
        "desiredNumberScheduled": counts["desired"],
        "numberReady": counts["ready"],
        "observedGeneration": generation_of(view.daemon_set),
    }
    optional = (
        ("updatedNumberScheduled", counts["updated"]),
        ("numberAvailable", counts["available"]),
        ("numberUnavailable", counts["desired"] - counts["available"]),
        ("collisionCount", int(old.get("collisionCount") or 0)),
    )
    report.update({name: count for name, count in optional if count})
    return report


def next_available_s(view: DaemonView) -> float | None:
    """Seconds until the next ready Pod turns available, if one is on the way."""
    waits = [available_in_s(pod, view.min_ready_s, view.now) for pod in view.pods if not is_deleting(pod)]
    return min((wait for wait in waits if wait), default=None)
