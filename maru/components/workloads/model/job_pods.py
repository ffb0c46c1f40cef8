"""The Pods of a Job: indexes, names, the tracking finalizer.

Source: k8s.io/kubernetes/pkg/controller/job, indexed_job_utils.go and job_controller.go (manageJob).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from maru.components.workloads.model.pods import pod_from_template
from maru.components.workloads.model.values import annotations_of
from maru.core.document import Value
from maru.kinds.resources import JOBS

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
INDEX_IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"


def is_indexed(job: Value) -> bool:
    """completionMode Indexed."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def index_of(pod: Value) -> int:
    """The completion index of a Pod, or -1."""
    text = annotations_of(pod).get(INDEX, "")
    return int(text) if text.isdigit() else -1


def failures_of(pod: Value) -> int:
    """How many Pods of its index had failed before it."""
    text = annotations_of(pod).get(INDEX_FAILURES, "")
    return int(text) if text.isdigit() else 0


def is_tracked(pod: Value) -> bool:
    """True while the finalizer says it is not counted yet."""
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def new_pod(job: Value, suffix: str, index: int | None, failures: int | None) -> Value:
    """A Pod to create. index: for Indexed Jobs; failures: of that index, where backoffLimitPerIndex is set."""
    pod = pod_from_template(job["spec"]["template"], job, JOBS, suffix=suffix)
    metadata, spec = pod["metadata"], pod["spec"]
    metadata["finalizers"] = [*metadata.get("finalizers", ()), TRACKING]
    if index is None:
        return pod
    name = job["metadata"]["name"]
    prefix = f"{name}-{index}-"
    metadata["generateName"] = prefix
    metadata["name"] = f"{prefix[:58]}{suffix}"
    metadata.setdefault("annotations", {})[INDEX] = str(index)
    metadata.setdefault("labels", {})[INDEX] = str(index)
    if failures is not None:
        metadata["annotations"][INDEX_FAILURES] = str(failures)
    if not spec.get("hostname"):
        spec["hostname"] = f"{name}-{index}"
    path = f"metadata.labels['{INDEX}']"
    variable = {"name": INDEX_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": path}}}
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        names = [entry["name"] for entry in container.get("env") or ()]
        if INDEX_VARIABLE not in names:
            container["env"] = [*(container.get("env") or ()), variable]
    return pod


def parse_indexes(text: str | None) -> set[int]:
    """The indexes that "1,3-5,7" names."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, dash, last = part.partition("-")
        if first.isdigit():
            found.update(range(int(first), int(last if dash else first) + 1))
    return found


def write_indexes(indexes: Iterable[int]) -> str:
    """Indexes in the compressed form: three or more in a row become a range, two stay a list of two."""
    parts: list[str] = []
    run: list[int] = []

    def close() -> None:
        if not run:
            return
        parts.append(str(run[0]) if len(run) == 1 else f"{run[0]}{',' if len(run) == 2 else '-'}{run[-1]}")

    for index in sorted(indexes):
        if run and index != run[-1] + 1:
            close()
            run = []
        run.append(index)
    close()
    return ",".join(parts)


def open_indexes(taken: Iterable[int], completions: int, count: int) -> list[int]:
    """The `count` lowest indexes under `completions` that are not `taken`."""
    busy = set(taken)
    found: list[int] = []
    for index in range(completions):
        if len(found) >= count:
            break
        if index not in busy:
            found.append(index)
    return found


def surplus_by_index(pods: Sequence[Value], completions: int) -> list[Value]:
    """Active Pods to remove whatever happens: indexes out of range, and all but the first of an index."""
    seen: set[int] = set()
    surplus = []
    for pod in sorted(pods, key=lambda each: each["metadata"].get("creationTimestamp") or ""):
        index = index_of(pod)
        if index < 0 or index >= completions or index in seen:
            surplus.append(pod)
        seen.add(index)
    return surplus
