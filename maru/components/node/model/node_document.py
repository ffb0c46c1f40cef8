"""The labels and the status of a Node. Source: Kubernetes documentation, "Nodes" and "Well-Known Labels"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.components.node.model.machine import Machine
from maru.contracts.image_store import Image
from maru.contracts.runtime import RuntimeChoice
from maru.core.document import Value

KUBELET_VERSION = "v1.36.0+maru"
RUNTIME_VERSION = "maru://0.1.0"
IMAGES_MAX = 50
IMAGE_NAMES_MAX = 5

# condition type: (reason and message while it is False, reason and message while it is True)
_PRESSURES = {
    "MemoryPressure": (
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ),
    "DiskPressure": (
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ),
    "PIDPressure": (
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ),
}


def node_labels(name: str, machine: Machine, own: Mapping[str, str]) -> dict[str, str]:
    """The well-known labels, and those of the configuration."""
    return {
        "beta.kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine.architecture,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        **own,
    }


def node_status(
    node: Value, machine: Machine, ips: Sequence[str], images: Sequence[Image], pressure: Mapping[str, bool]
) -> Value:
    """The whole status but the runtimes; times are left to the caller, but a transition keeps its time if it was none.

    Extended resources that somebody wrote into the capacity are allocatable.
    """
    old = {entry["type"]: entry for entry in (node.get("status") or {}).get("conditions") or ()}
    conditions = []
    for kind, words in _PRESSURES.items():
        is_pressed = pressure.get(kind, False)
        reason, message = words[int(is_pressed)]
        conditions.append(_condition(old.get(kind), kind, (is_pressed, reason, message)))
    ready = (True, "KubeletReady", "kubelet is posting ready status")
    conditions.append(_condition(old.get("Ready"), "Ready", ready))
    name = node["metadata"]["name"]
    told = (node.get("status") or {}).get("capacity") or {}
    extended = {key: amount for key, amount in told.items() if is_extended(key)}
    by_size = sorted(images, key=lambda image: image.size_bytes, reverse=True)[:IMAGES_MAX]
    return {
        "addresses": [*({"type": "InternalIP", "address": ip} for ip in ips), {"type": "Hostname", "address": name}],
        "allocatable": {**machine.allocatable, **extended},
        "capacity": {**machine.capacity, **extended},
        "conditions": conditions,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "images": [
            {"names": [*image.digests, *image.names][:IMAGE_NAMES_MAX], "sizeBytes": image.size_bytes}
            for image in by_size
        ],
        "nodeInfo": {
            "architecture": machine.architecture,
            "bootID": machine.boot_id,
            "containerRuntimeVersion": RUNTIME_VERSION,
            "kernelVersion": machine.kernel,
            "kubeProxyVersion": "",
            "kubeletVersion": KUBELET_VERSION,
            "machineID": machine.machine_id,
            "operatingSystem": "linux",
            "osImage": machine.os_image,
            "systemUUID": machine.machine_id,
        },
    }


def runtime_handlers(choices: Sequence[RuntimeChoice]) -> list[Value]:
    """What a RuntimeClass may name here; "" is the default, which Pods without one get."""
    names = ["", *(choice.name for choice in choices if not choice.refusal)]
    return [{"name": name, "features": {"recursiveReadOnlyMounts": True, "userNamespaces": False}} for name in names]


def is_extended(name: str) -> bool:
    """Whether a resource is one that people advertise on a Node: example.com/dongle."""
    domain, slash, _ = name.partition("/")
    return bool(slash) and domain != "kubernetes.io" and not domain.endswith(".kubernetes.io")


def _condition(old: Value | None, kind: str, wanted: tuple[bool, str, str]) -> Value:
    is_true, reason, message = wanted
    status = "True" if is_true else "False"
    condition: Value = {"type": kind, "status": status, "reason": reason, "message": message}
    if old is not None and old.get("status") == status:
        condition["lastTransitionTime"] = old.get("lastTransitionTime")
    return condition
