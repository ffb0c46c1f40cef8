"""Pods as real containers: what a process inside of one sees."""

from __future__ import annotations

import base64

import pytest

from maru.kinds.resources import CONFIGMAPS, SECRETS
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
        await node.create(pod("web", "sh", "-c", "echo started; trap 'echo bye; exit 0' TERM; sleep 100 & wait"))
        value = await node.until("web", ready)
        assert "running" in state(value)
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
