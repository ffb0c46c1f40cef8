"""Init containers, sidecars, hooks, probes, deadlines and refusals, on fakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from maru.contracts.image_store import ImageConfig
from maru.kinds.resources import CONFIGMAPS
from tests.components.node.kubelet import condition, entry, fake_kubelet, pod, ready, state
from tests.fakes.runtime import FakeRuntime

pytestmark = pytest.mark.root


def _starts(runtime: FakeRuntime) -> list[str]:
    """Names of containers in the order of their starts."""
    names = {status.id: status.labels["io.kubernetes.container.name"] for status in runtime.list()}
    return [names.get(container_id, "?") for verb, container_id in runtime.trail if verb == "start"]


def _kills(runtime: FakeRuntime, names: dict[str, str]) -> list[str]:
    return [names[container_id] for verb, container_id in runtime.trail if verb == "kill"]


async def test_init_containers_run_in_order_before_the_others(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    assert isinstance(node.runtime, FakeRuntime)
    inits = [{"name": name, "image": "busybox:1", "command": ["true"]} for name in ("first", "second")]
    async with node.running():
        await node.create(pod("web", initContainers=inits))
        value = await node.until("web", ready)
        assert _starts(node.runtime) == ["first", "second", "app"]
        assert state(value, "first")["terminated"]["reason"] == "Completed"
        assert condition(value, "Initialized")["status"] == "True"
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()


async def test_failed_init_container_fails_a_pod_that_never_restarts(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    inits = [{"name": "first", "image": "busybox:1", "command": ["false"]}]
    async with node.running():
        await node.create(pod("web", initContainers=inits, restartPolicy="Never"))
        value = await node.until("web", lambda value: value["status"]["phase"] == "Failed")
        assert condition(value, "Initialized")["reason"] == "ContainersNotInitialized"
        assert state(value)["waiting"]["reason"] == "PodInitializing"
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()


async def test_sidecar_starts_first_and_stops_last(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    runtime = node.runtime
    assert isinstance(runtime, FakeRuntime)
    sidecars = [
        {"name": name, "image": "busybox:1", "command": ["sleep", "1000"], "restartPolicy": "Always"}
        for name in ("proxy", "logger")
    ]
    async with node.running():
        await node.create(pod("web", initContainers=sidecars))
        await node.until("web", ready)
        assert _starts(runtime) == ["proxy", "logger", "app"]
        names = {status.id: status.labels["io.kubernetes.container.name"] for status in runtime.list()}
        await node.delete("web")
        await node.until_gone("web")
        assert _kills(runtime, names) == ["app", "logger", "proxy"]
    node.assert_clean()


async def test_job_pod_with_a_sidecar_succeeds_when_its_work_is_done(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    sidecar = {"name": "proxy", "image": "busybox:1", "command": ["sleep", "1000"], "restartPolicy": "Always"}
    async with node.running():
        await node.create(pod("job", "true", initContainers=[sidecar], restartPolicy="Never"))
        await node.until("job", lambda value: value["status"]["phase"] == "Succeeded")
        await node.delete("job")
        await node.until_gone("job")
    node.assert_clean()


async def test_missing_image_is_told_and_pulled_once_it_is_there(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path, speed=50)
    async with node.running():
        await node.create(pod("web", container={"image": "example.test/app:1"}))
        await node.until("web", lambda value: state(value).get("waiting", {}).get("reason") == "ErrImagePull")
        value = await node.until(
            "web", lambda value: state(value).get("waiting", {}).get("reason") == "ImagePullBackOff"
        )
        assert 'Back-off pulling image "example.test/app:1"' in state(value)["waiting"]["message"]
        node.images.offer("example.test/app:1", ImageConfig(command=("sleep", "1000")))  # type: ignore[attr-defined]
        await node.until("web", ready)
        await node.until_event("Pulled", 'Successfully pulled image "example.test/app:1"')
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()


async def test_bad_image_names_and_never_are_told_by_reason(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("bad", container={"image": "Not A Name"}))
        await node.until("bad", lambda value: state(value).get("waiting", {}).get("reason") == "InvalidImageName")
        await node.create(pod("never", container={"image": "absent:1", "imagePullPolicy": "Never"}))
        await node.until("never", lambda value: state(value).get("waiting", {}).get("reason") == "ErrImageNeverPull")
        for name in ("bad", "never"):
            await node.delete(name)
            await node.until_gone(name)
    node.assert_clean()


async def test_missing_configmap_holds_the_container_until_it_is_made(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "a"}}}]
    async with node.running():
        await node.create(pod("web", container={"env": env}))
        value = await node.until(
            "web", lambda value: state(value).get("waiting", {}).get("reason") == "CreateContainerConfigError"
        )
        assert state(value)["waiting"]["message"] == 'configmap "cm" not found'
        configmap = {"metadata": {"name": "cm", "namespace": "default"}, "data": {"a": "1"}}
        await node.clients.acting_as("test").create(CONFIGMAPS, configmap)
        await node.until("web", ready)
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()


async def test_missing_configmap_volume_is_told_and_mounted_when_it_is_made(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("web", volumes=[{"name": "v", "configMap": {"name": "cm"}}]))
        await node.until_event("FailedMount", 'MountVolume.SetUp failed for volume "v" : configmap "cm" not found')
        configmap = {"metadata": {"name": "cm", "namespace": "default"}, "data": {"a": "1"}}
        await node.clients.acting_as("test").create(CONFIGMAPS, configmap)
        await node.until("web", ready)
        files = list(tmp_path.glob("node/state/*/volumes/kubernetes.io~configmap/v/a"))
        assert [file.read_text() for file in files] == ["1"]
        await node.clients.acting_as("test").patch(CONFIGMAPS, "default", "cm", {"data": {"a": "2"}})
        while files[0].read_text() != "2":
            await node.get("/healthz")
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()


async def test_readiness_decides_and_liveness_restarts(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path, speed=20)
    ready_probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    live_probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 2, "initialDelaySeconds": 5}
    async with node.running():
        await node.create(pod("web", container={"readinessProbe": ready_probe, "livenessProbe": live_probe}))
        await node.until("web", ready)
        await node.until("web", lambda value: entry(value)["restartCount"] == 1)
        await node.until_event("Unhealthy", "Liveness probe failed")
        await node.until_event("Killing", "Container app failed liveness probe, will be restarted")
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()


async def test_startup_probe_gates_readiness(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path, speed=20)
    startup = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 3}
    async with node.running():
        await node.create(pod("web", container={"startupProbe": startup}))
        value = await node.until("web", lambda value: "running" in state(value))
        assert entry(value)["started"] is False
        assert not ready(value)
        await node.until_event("Killing", "Container app failed startup probe, will be restarted")
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()


async def test_deadline_of_the_pod_fails_it(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path, speed=5)
    async with node.running():
        await node.create(pod("web", activeDeadlineSeconds=2))
        value = await node.until("web", lambda value: value["status"]["phase"] == "Failed")
        assert value["status"]["reason"] == "DeadlineExceeded"
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()


async def test_pod_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("big", container={"resources": {"requests": {"cpu": "1000"}}}))
        value = await node.until("big", lambda value: value["status"]["phase"] == "Failed")
        assert value["status"]["reason"] == "OutOfcpu"
        await node.delete("big")
        await node.until_gone("big")
    node.assert_clean()


async def test_forced_deletion_ends_what_still_runs(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("stubborn", "sh", "-c", "trap '' TERM; sleep 1000", terminationGracePeriodSeconds=600))
        await node.until("stubborn", ready)
        await node.delete("stubborn")
        await node.until_event("Killing")
        await node.delete("stubborn", grace_s=0)
        await node.until_gone("stubborn")
    node.assert_clean()


async def test_pod_hook_runs_before_the_signal(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    runtime = node.runtime
    assert isinstance(runtime, FakeRuntime)
    hook = {"preStop": {"exec": {"command": ["true"]}}, "postStart": {"exec": {"command": ["true"]}}}
    async with node.running():
        await node.create(pod("web", container={"lifecycle": hook}))
        await node.until("web", ready)
        await node.delete("web")
        await node.until_gone("web")
        verbs = [verb for verb, _ in runtime.trail]
        assert verbs == ["create", "start", "exec_sync", "exec_sync", "kill", "remove"]
    node.assert_clean()
