"""What Pods are given from the machine: claims, images as folders, tokens that stay good, ports, profiles."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from maru.core.document import Value
from maru.kinds.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, SERVICEACCOUNTS
from tests.components.node.kubelet import Kubelet, fake_kubelet, pod, ready
from tests.fakes.pod_network import FakePodNetwork

pytestmark = pytest.mark.root


async def end(node: Kubelet, name: str) -> None:
    await node.delete(name)
    await node.until_gone(name)


async def output(node: Kubelet, name: str, script: str, **spec: object) -> str:
    """What a Pod that runs `script` to its end has said."""
    await node.create(pod(name, "sh", "-c", script, restartPolicy="Never", **spec))
    await node.until(name, lambda value: value.get("status", {}).get("phase") in ("Succeeded", "Failed"))
    text = (await node.get(f"/containerLogs/default/{name}/app"))[1]
    await end(node, name)
    return text


async def claim(node: Kubelet, name: str, source: Value, phase: str = "Bound") -> None:
    client = node.clients.acting_as("test")
    await client.create(PERSISTENTVOLUMES, {"metadata": {"name": f"pv-{name}"}, "spec": source})
    value = {"metadata": {"name": name, "namespace": "default"}, "spec": {"volumeName": f"pv-{name}"}}
    await client.create(PERSISTENTVOLUMECLAIMS, value)
    status = {"status": {"phase": phase}}
    await client.patch(PERSISTENTVOLUMECLAIMS, "default", name, status, subresource="status")


async def test_claims_lead_to_host_paths_and_local_folders(node: Kubelet, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"{name}\n")
    await claim(node, "one", {"hostPath": {"path": str(tmp_path / "one")}})
    await claim(node, "two", {"local": {"path": str(tmp_path / "two")}})
    volumes = [
        {"name": "one", "persistentVolumeClaim": {"claimName": "one"}},
        {"name": "two", "persistentVolumeClaim": {"claimName": "two", "readOnly": True}},
    ]
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in ("one", "two")]
    async with node.running():
        script = "cat /one/file /two/file; echo new > /one/made; touch /two/made 2>/dev/null || echo read-only"
        text = await output(node, "claims", script, volumes=volumes, container={"volumeMounts": mounts})
    assert text.splitlines()[:2] == ["one", "two"]
    assert text.splitlines()[-1] == "read-only"
    assert (tmp_path / "one/made").read_text() == "new\n"


async def test_claim_that_is_not_bound_holds_the_pod(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    await claim(node, "open", {"hostPath": {"path": "/"}}, phase="Pending")
    async with node.running():
        await node.create(pod("web", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "open"}}]))
        await node.until_event("FailedMount", 'persistentvolumeclaim "open" is not bound')
        await end(node, "web")
    node.assert_clean()


async def test_image_is_a_read_only_volume(node: Kubelet) -> None:
    volumes = [{"name": "files", "image": {"reference": "busybox:1"}}]
    mounts = [
        {"name": "files", "mountPath": "/files"},
        {"name": "files", "mountPath": "/inner", "subPath": "etc"},
    ]
    script = "head -n 1 /files/etc/passwd; head -n 1 /inner/group; touch /files/new 2>/dev/null || echo read-only"
    async with node.running():
        text = await output(node, "image", script, volumes=volumes, container={"volumeMounts": mounts})
    lines = text.splitlines()
    assert (lines[0], lines[1], lines[-1]) == ("root:x:0:0:root:/root:/bin/sh", "root:x:0:", "read-only")


async def test_image_volume_that_is_not_there_waits_with_the_pulls_reason(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    volumes = [{"name": "files", "image": {"reference": "registry.example/none:1"}}]
    mounts = [{"name": "files", "mountPath": "/files"}]
    async with node.running():
        await node.create(pod("web", volumes=volumes, container={"volumeMounts": mounts}))
        await node.until_event("Failed", 'Failed to pull image "registry.example/none:1"')
        await node.until_event("Failed", "Error: ErrImagePull")
        await end(node, "web")
    node.assert_clean()


async def test_tokens_are_renewed_before_they_end(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path, speed=500)
    account = {"metadata": {"name": "default", "namespace": "default"}}
    await node.clients.acting_as("test").create(SERVICEACCOUNTS, account)
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}}
    async with node.running():
        uid = (await node.create(pod("web", volumes=[{"name": "p", "projected": {"sources": [token]}}])))["metadata"][
            "uid"
        ]
        await node.until("web", ready)
        path = tmp_path / "node/state" / uid / "volumes/kubernetes.io~projected/p/token"
        first = path.read_text()
        async with asyncio.timeout(20):
            while path.read_text() == first:
                await node.get("/pods")
        await end(node, "web")
    node.assert_clean()


async def test_host_ports_reach_the_network(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    assert isinstance(node.network, FakePodNetwork)
    ports = [{"containerPort": 80, "hostPort": 18080}, {"containerPort": 53, "hostPort": 1053, "protocol": "UDP"}]
    async with node.running():
        await node.create(pod("web", container={"ports": ports}))
        await node.until("web", ready)
        (attachment,) = node.network.attached.values()
        assert [(port.host_port, port.container_port, port.protocol) for port in attachment.host_ports] == [
            (18080, 80, "TCP"),
            (1053, 53, "UDP"),
        ]
        await end(node, "web")
    node.assert_clean()


async def test_seccomp_profile_of_the_node_is_applied(node: Kubelet) -> None:
    folder = node.folder / "node" / "seccomp"
    folder.mkdir(parents=True)
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    (folder / "no-mkdir.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    async with node.running():
        for profile, said in (("no-mkdir.json", "refused"), ("absent.json", "")):
            context = {"seccompProfile": {"type": "Localhost", "localhostProfile": profile}}
            script = "mkdir /x 2>/dev/null && echo made || echo refused"
            if said:
                assert (await output(node, "mine", script, securityContext=context)).strip() == said
                continue
            await node.create(pod("absent", "true", securityContext=context))
            await node.until_event("Failed", "cannot load seccomp profile")
            await end(node, "absent")


async def test_default_profile_keeps_a_container_from_mounting_and_keys(node: Kubelet) -> None:
    context = {"seccompProfile": {"type": "RuntimeDefault"}}
    script = "mount -t tmpfs none /tmp 2>&1; echo; grep Seccomp: /proc/self/status; echo $(sh -c 'echo works')"
    async with node.running():
        text = await output(node, "kept", script, securityContext=context)
    assert "not permitted" in text or "denied" in text
    assert "Seccomp:\t2" in text
    assert "works" in text
