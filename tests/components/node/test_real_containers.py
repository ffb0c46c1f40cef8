"""Pods as real containers: what a process inside of one sees."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from maru.kinds.resources import CONFIGMAPS, SECRETS, SERVICEACCOUNTS
from tests.components.node.kubelet import Kubelet, pod, ready, state

pytestmark = pytest.mark.root


async def _output(node: Kubelet, name: str) -> str:
    status, text = await node.get(f"/containerLogs/default/{name}/app")
    assert status == 200, text
    return text


async def _run(node: Kubelet, name: str, script: str, **spec: object) -> str:
    """The output of a Pod that runs `script` to its end."""
    await node.create(pod(name, "sh", "-c", script, restartPolicy="Never", **spec))
    await node.until(name, lambda value: value.get("status", {}).get("phase") in ("Succeeded", "Failed"))
    text = await _output(node, name)
    await node.delete(name)
    await node.until_gone(name)
    return text


async def test_pod_runs_a_real_process_and_stops_it(node: Kubelet) -> None:
    async with node.running():
        await node.create(pod("web", "sh", "-c", "trap 'echo bye; exit 0' TERM; echo started; sleep 100 & wait"))
        value = await node.until("web", ready)
        assert "running" in state(value)
        while "started" not in await _output(node, "web"):
            pass
        await node.delete("web")
        value = await node.until("web", lambda value: "terminated" in state(value))
        assert state(value)["terminated"]["exitCode"] == 0
        await node.until_gone("web")


async def test_names_of_the_pod_stand_in_its_files(node: Kubelet) -> None:
    async with node.running():
        text = await _run(
            node,
            "names",
            "hostname; cat /etc/hosts /etc/resolv.conf",
            hostname="one",
            subdomain="sub",
            hostAliases=[{"ip": "192.0.2.7", "hostnames": ["seven", "sieben"]}],
        )
    lines = text.splitlines()
    assert lines[0] == "one"
    assert "10.244.0.2\tone.sub.default.svc.cluster.local\tone" in lines
    assert "192.0.2.7\tseven\tsieben" in lines
    assert "nameserver 10.96.0.10" in lines
    assert "options ndots:5" in lines


async def test_variables_and_volumes_come_from_configmaps_and_secrets(node: Kubelet) -> None:
    client = node.clients.acting_as("test")
    async with node.running():
        await client.create(
            CONFIGMAPS, {"metadata": {"name": "cm", "namespace": "default"}, "data": {"a": "1", "b": "2"}}
        )
        secret = {"metadata": {"name": "s", "namespace": "default"}, "data": {"p": base64.b64encode(b"pw").decode()}}
        await client.create(SECRETS, secret)
        text = await _run(
            node,
            "env",
            'echo "$X $Y $Z $PRE_b $(cat /cm/a) $(cat /s/p) $(stat -c %a /s/..data/p) $POD"',
            volumes=[
                {"name": "cm", "configMap": {"name": "cm"}},
                {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}},
            ],
            container={
                "env": [
                    {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "a"}}},
                    {"name": "Y", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}},
                    {"name": "Z", "value": "<$(X)-$(NOT)-$$(X)>"},
                    {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ],
                "envFrom": [{"prefix": "PRE_", "configMapRef": {"name": "cm"}}],
                "volumeMounts": [{"name": "cm", "mountPath": "/cm"}, {"name": "s", "mountPath": "/s"}],
            },
        )
    assert text.strip() == "1 pw <1-$(NOT)-$(X)> 2 1 pw 400 env"


async def test_security_context_reaches_the_process(node: Kubelet) -> None:
    async with node.running():
        text = await _run(
            node,
            "secure",
            "id; grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; touch /x || echo readonly",
            securityContext={"fsGroup": 3000, "supplementalGroups": [4000]},
            container={
                "securityContext": {
                    "runAsUser": 1000,
                    "readOnlyRootFilesystem": True,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "seccompProfile": {"type": "RuntimeDefault"},
                }
            },
        )
    assert "uid=1000(ana) gid=1001(ana)" in text
    for group in ("3000", "4000", "2000(team)"):
        assert group in text
    assert "CapBnd:\t0000000000000000" in text
    assert "NoNewPrivs:\t1" in text
    assert "Seccomp:\t2" in text
    assert "readonly" in text


async def test_containers_of_a_pod_can_share_their_processes(node: Kubelet) -> None:
    async with node.running():
        second = {"name": "second", "image": "busybox:1", "command": ["sh", "-c", "sleep 77"]}
        value = pod("shared", "sh", "-c", "sleep 1000", shareProcessNamespace=True)
        value["spec"]["containers"].append(second)
        await node.create(value)
        value = await node.until("shared", ready)
        container_id = next(
            entry["containerID"] for entry in value["status"]["containerStatuses"] if entry["name"] == "app"
        ).removeprefix("maru://")
        process = {"args": ["ps"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}
        code, output = await node.runtime.exec_sync(container_id, process, 5)
        assert code == 0
        assert b"sleep 77" in output
        assert b"sleep 1000" in output
        await node.delete("shared")
        await node.until_gone("shared")


async def test_host_network_and_pid_are_the_machines(node: Kubelet) -> None:
    async with node.running():
        text = await _run(
            node, "host", "readlink /proc/self/ns/net; readlink /proc/self/ns/pid", hostNetwork=True, hostPID=True
        )
    assert text.splitlines() == [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("net", "pid")]


async def test_volumes_of_all_kinds_are_mounted(node: Kubelet, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "seen").write_text("from the host\n")
    (tmp_path / "host" / "escape").symlink_to("/etc")
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}}
    labels = {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}
    account = {"metadata": {"name": "default", "namespace": "default"}}
    await node.clients.acting_as("test").create(SERVICEACCOUNTS, account)
    async with node.running():
        text = await _run(
            node,
            "volumes",
            "cat /host/seen; echo x > /empty/sub/file; cat /whole/deep/file; mount | grep -c ' /mem type tmpfs';"
            "cat /p/labels; echo; wc -c < /p/token; touch /host/seen || echo read-only; echo last words > /dev/termination-log",
            metadata={"labels": {"a": "b"}},
            volumes=[
                {"name": "host", "hostPath": {"path": str(tmp_path / "host"), "type": "Directory"}},
                {"name": "empty", "emptyDir": {}},
                {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
                {"name": "p", "projected": {"sources": [token, labels]}},
            ],
            container={
                "volumeMounts": [
                    {"name": "host", "mountPath": "/host", "readOnly": True},
                    {"name": "empty", "mountPath": "/empty/sub", "subPath": "deep"},
                    {"name": "empty", "mountPath": "/whole"},
                    {"name": "mem", "mountPath": "/mem"},
                    {"name": "p", "mountPath": "/p"},
                ]
            },
        )
    lines = text.splitlines()
    assert lines[0] == "from the host"
    assert lines[1] == "x"
    assert lines[2] == "1"
    assert lines[3] == 'a="b"'
    assert int(lines[4]) > 10
    assert "read-only" in lines


async def test_sub_path_that_leads_out_of_its_volume_is_refused(node: Kubelet, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "escape").symlink_to("/etc")
    async with node.running():
        await node.create(
            pod(
                "escape",
                volumes=[{"name": "host", "hostPath": {"path": str(tmp_path / "host")}}],
                container={"volumeMounts": [{"name": "host", "mountPath": "/x", "subPath": "escape"}]},
            )
        )
        value = await node.until("escape", lambda value: state(value).get("waiting", {}).get("message"))
        assert state(value)["waiting"]["reason"] == "CreateContainerConfigError"
        assert "leads out of its volume" in state(value)["waiting"]["message"]
        await node.delete("escape")
        await node.until_gone("escape")


async def test_limits_reach_the_cgroup_and_memory_is_kept(node: Kubelet) -> None:
    limits = {"limits": {"memory": "32Mi", "cpu": "250m"}}
    async with node.running():
        await node.create(
            pod(
                "eater",
                "sh",
                "-c",
                "dd if=/dev/zero of=/dev/null bs=200M count=1",
                restartPolicy="Never",
                container={"resources": limits},
            )
        )
        value = await node.until("eater", lambda value: value.get("status", {}).get("phase") == "Failed")
        assert state(value)["terminated"]["reason"] == "OOMKilled"
        assert state(value)["terminated"]["exitCode"] == 137
        assert value["status"]["qosClass"] == "Guaranteed"
        await node.delete("eater")
        await node.until_gone("eater")


async def test_last_words_stand_in_the_status(node: Kubelet) -> None:
    async with node.running():
        for name, script, policy in (
            ("file", "echo from the file > /dev/termination-log; exit 1", "File"),
            ("log", "echo from the log; exit 1", "FallbackToLogsOnError"),
        ):
            container = {"terminationMessagePolicy": policy}
            await node.create(pod(name, "sh", "-c", script, restartPolicy="Never", container=container))
            value = await node.until(name, lambda value: value.get("status", {}).get("phase") == "Failed")
            assert state(value)["terminated"]["message"] == f"from the {name}\n"
            await node.delete(name)
            await node.until_gone(name)


async def test_kernel_parameters_and_loopback_are_the_pods_own(node: Kubelet) -> None:
    async with node.running():
        text = await _run(
            node,
            "kernel",
            "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ip addr show lo | grep -c 'inet 127.0.0.1'",
            securityContext={"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "77"}]},
        )
    assert text.split() == ["77", "1"]


async def test_command_that_is_not_there_ends_as_a_start_error(node: Kubelet) -> None:
    async with node.running():
        await node.create(pod("none", "no-such-program", restartPolicy="Never"))
        value = await node.until("none", lambda value: value.get("status", {}).get("phase") == "Failed")
        assert state(value)["terminated"]["exitCode"] == 128
        assert state(value)["terminated"]["reason"] == "StartError"
        assert "no-such-program" in state(value)["terminated"]["message"]
        await node.delete("none")
        await node.until_gone("none")


async def test_thirty_pods_at_once_run_soon(node: Kubelet) -> None:
    """The bound is loose, as machines differ; bench/ measures."""
    async with node.running():
        started_s = node.clock.monotonic_s()
        await asyncio.gather(*(node.create(pod(f"many-{number}")) for number in range(30)))
        for number in range(30):
            await node.until(f"many-{number}", ready)
        took_s = node.clock.monotonic_s() - started_s
        for number in range(30):
            await node.delete(f"many-{number}", grace_s=0)
        for number in range(30):
            await node.until_gone(f"many-{number}")
    assert took_s < 30
