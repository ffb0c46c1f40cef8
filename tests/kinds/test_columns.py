"""What kubectl get shows: ages, the words for a Pod's state, and a row of every kind."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from maru.core.document import Value
from maru.kinds.catalog import strategies
from maru.kinds.columns.cells import human_duration
from tests.kinds.documents import GOOD, begun, good

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
AGES = {
    -5: "<invalid>",
    -1: "0s",
    0: "0s",
    119: "119s",
    120: "2m",
    125: "2m5s",
    599: "9m59s",
    600: "10m",
    10799: "179m",
    10800: "3h",
    11000: "3h3m",
    28799: "7h59m",
    28800: "8h",
    172799: "47h",
    172800: "2d",
    180000: "2d2h",
    691199: "7d23h",
    691200: "8d",
    63071999: "729d",
    63072000: "2y",
    70000000: "2y80d",
    252288000: "8y",
}


@pytest.mark.parametrize(("seconds", "expected"), AGES.items())
def test_a_span_is_written_as_kubectl_does(seconds: int, expected: str) -> None:
    assert human_duration(seconds) == expected


def row(storage: str, value: Value) -> dict[str, object]:
    return {column.name: column.cell(value, NOW) for column in strategies().of(storage).columns}


def pod(init: int = 0, sidecars: int = 0, **status: object) -> Value:
    """A Pod of one container, with `init` init containers and `sidecars` that stay."""
    containers = [{"name": f"i{number}", "image": "i"} for number in range(init)]
    containers += [{"name": f"s{number}", "image": "i", "restartPolicy": "Always"} for number in range(sidecars)]
    return {
        "metadata": {"name": "p", "creationTimestamp": "2026-01-02T11:55:00Z"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "initContainers": containers},
        "status": {"phase": "Pending", **status},
    }


def waiting(reason: str) -> Value:
    return {"waiting": {"reason": reason}}


def ended(code: int, **fields: object) -> Value:
    return {"terminated": {"exitCode": code, **fields}}


READY = [{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}]
LAST = {"terminated": {"exitCode": 1, "finishedAt": "2026-01-02T11:55:00Z"}}
RUNNING = {"name": "c", "ready": True, "state": {"running": {}}, "restartCount": 0}
PODS = {
    "pending": (pod(), ("0/1", "Pending", "0")),
    "creating": (
        pod(containerStatuses=[{"name": "c", "state": waiting("ContainerCreating")}]),
        ("0/1", "ContainerCreating", "0"),
    ),
    "running": (pod(phase="Running", containerStatuses=[RUNNING], conditions=READY), ("1/1", "Running", "0")),
    "crashing": (
        pod(
            phase="Running",
            containerStatuses=[
                {"name": "c", "state": waiting("CrashLoopBackOff"), "restartCount": 3, "lastState": LAST}
            ],
        ),
        ("0/1", "CrashLoopBackOff", "3 (5m ago)"),
    ),
    "completed": (
        pod(phase="Succeeded", containerStatuses=[{"name": "c", "state": ended(0, reason="Completed")}]),
        ("0/1", "Completed", "0"),
    ),
    "failed by a signal": (
        pod(phase="Failed", containerStatuses=[{"name": "c", "state": ended(137, signal=9)}]),
        ("0/1", "Signal:9", "0"),
    ),
    "failed by a code": (
        pod(phase="Failed", containerStatuses=[{"name": "c", "state": ended(3)}]),
        ("0/1", "ExitCode:3", "0"),
    ),
    "first of two init containers": (
        pod(init=2, initContainerStatuses=[{"name": "i0", "state": {"running": {}}}, {"name": "i1", "state": {}}]),
        ("0/1", "Init:0/2", "0"),
    ),
    "init error": (
        pod(init=1, initContainerStatuses=[{"name": "i0", "state": ended(1, reason="Error"), "restartCount": 2}]),
        ("0/1", "Init:Error", "2"),
    ),
    "init crashing": (
        pod(
            init=1,
            initContainerStatuses=[
                {"name": "i0", "state": waiting("CrashLoopBackOff"), "restartCount": 4, "lastState": LAST}
            ],
        ),
        ("0/1", "Init:CrashLoopBackOff", "4 (5m ago)"),
    ),
    "initializing": (
        pod(
            init=1,
            initContainerStatuses=[{"name": "i0", "state": ended(0)}],
            containerStatuses=[{"name": "c", "state": waiting("PodInitializing")}],
        ),
        ("0/1", "PodInitializing", "0"),
    ),
    "with a sidecar": (
        pod(
            sidecars=1,
            phase="Running",
            initContainerStatuses=[{"name": "s0", "started": True, "ready": True, "state": {"running": {}}}],
            containerStatuses=[RUNNING],
            conditions=READY,
        ),
        ("2/2", "Running", "0"),
    ),
    "one of two ended": (
        pod(
            phase="Running",
            containerStatuses=[RUNNING, {"name": "d", "state": ended(0, reason="Completed")}],
            conditions=READY,
        ),
        ("1/1", "Running", "0"),
    ),
    "first of two ended": (
        pod(
            phase="Running",
            containerStatuses=[{"name": "d", "state": ended(0, reason="Completed")}, RUNNING],
            conditions=[{"type": "Ready", "status": "False"}],
        ),
        ("1/1", "NotReady", "0"),
    ),
    "gated": (
        pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]),
        ("0/1", "SchedulingGated", "0"),
    ),
    "evicted": (pod(phase="Failed", reason="Evicted"), ("0/1", "Evicted", "0")),
}


@pytest.mark.parametrize(("value", "expected"), PODS.values(), ids=PODS)
def test_a_pod_is_summed_up_in_a_row(value: Value, expected: tuple[str, str, str]) -> None:
    shown = row("pods", value)
    assert (shown["Ready"], shown["Status"], shown["Restarts"]) == expected
    assert shown["Age"] == "5m"


def test_a_pod_that_goes_says_so() -> None:
    value = pod(phase="Running", containerStatuses=[RUNNING], conditions=READY)
    value["metadata"]["deletionTimestamp"] = "2026-01-02T12:00:30Z"
    assert row("pods", value)["Status"] == "Terminating"


@pytest.mark.parametrize("storage", GOOD)
def test_every_kind_has_a_row(storage: str) -> None:
    value = begun(storage, good(storage))
    value["metadata"]["creationTimestamp"] = "2026-01-02T11:00:00Z"
    shown = row(storage, value)
    assert next(iter(shown.values())) == "x"
    assert shown.get("Age", shown.get("Created At")) in ("60m", "2026-01-02T11:00:00Z")


def test_rows_of_some_kinds() -> None:
    service = begun("services", good("services", {"spec": {"type": "NodePort", "clusterIPs": ["10.0.0.1"]}}))
    service["spec"]["ports"][0]["nodePort"] = 30080
    shown = row("services", service)
    assert (shown["Cluster-IP"], shown["External-IP"], shown["Port(s)"]) == ("10.0.0.1", "<none>", "80:30080/TCP")
    job = begun("jobs.batch", good("jobs.batch"))
    job["status"] = {"succeeded": 1, "startTime": "2026-01-02T11:00:00Z", "completionTime": "2026-01-02T11:01:40Z"}
    job["status"]["conditions"] = [{"type": "Complete", "status": "True"}]
    shown = row("jobs.batch", job)
    assert (shown["Status"], shown["Completions"], shown["Duration"]) == ("Complete", "1/1", "100s")
    usual = {"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}
    kind = "storageclasses.storage.k8s.io"
    assert row(kind, begun(kind, good(kind, usual)))["Name"] == "x (default)"
    request = {
        "metadata": {"name": "r"},
        "spec": {},
        "status": {"conditions": [{"type": "Approved"}], "certificate": "x"},
    }
    assert row("certificatesigningrequests.certificates.k8s.io", request)["Condition"] == "Approved,Issued"
