"""Whether the node takes a Pod that was bound to it.

Source: pkg/kubelet/lifecycle, predicate.go (OutOfcpu, NodeAffinity), pkg/kubelet/sysctl (SysctlForbidden),
pkg/security/apparmor (what is asked for must be there; Unconfined asks for nothing).
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.node.errors import Refused
from maru.components.node.model.machine import Machine
from maru.components.node.model.resources import pod_request
from maru.components.node.model.security import apparmor_profile, selinux_label
from maru.components.node.model.view import containers_of
from maru.core.document import Value
from maru.kinds.quantity import parse

# Source: Kubernetes documentation, "Using sysctls", the safe set.
_SAFE_SYSCTLS = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
)


def check_fits(pod: Value, present: Sequence[Value], machine: Machine, node: Value | None) -> None:
    """Return if the Pod fits beside those `present`. Raises Refused with the kubelet's reason."""
    spec = pod["spec"]
    labels = (node or {}).get("metadata", {}).get("labels") or {}
    selector = spec.get("nodeSelector") or {}
    if node is not None and any(labels.get(name) != value for name, value in selector.items()):
        raise Refused(
            "NodeAffinity",
            "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        )
    if (spec.get("os") or {}).get("name") not in (None, "linux"):
        raise Refused("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    for entry in (spec.get("securityContext") or {}).get("sysctls") or ():
        if entry["name"].replace("/", ".") not in _SAFE_SYSCTLS:
            raise Refused("SysctlForbidden", f'forbidden sysctl: "{entry["name"]}" not allowlisted')
    _check_confinement(pod, machine)
    _check_restart_rules(pod)
    pods_max = int(machine.allocatable["pods"])
    if len(present) + 1 > pods_max:
        words = f"requested: 1, used: {len(present)}, capacity: {pods_max}"
        raise Refused("OutOfpods", f"Pod was rejected: Node didn't have enough resource: pods, {words}")
    for name in ("cpu", "memory"):
        wanted = pod_request(pod, name)
        capacity = parse(machine.allocatable[name])
        bound = capacity.milli if name == "cpu" else capacity.whole
        used = sum(pod_request(other, name) for other in present)
        if wanted and used + wanted > bound:
            words = f"requested: {wanted}, used: {used}, capacity: {bound}"
            raise Refused(f"OutOf{name}", f"Pod was rejected: Node didn't have enough resource: {name}, {words}")


def _check_confinement(pod: Value, machine: Machine) -> None:
    """Fields that confine are never ignored: without the kernel's part the Pod does not run here."""
    for container in containers_of(pod):
        profile = apparmor_profile(pod, container.spec)
        if profile.get("type", "Unconfined") != "Unconfined" and not machine.has_apparmor:
            raise Refused("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")
        if selinux_label(pod, container.spec) and not machine.has_selinux:
            raise Refused("SELinux", "Cannot enforce SELinux: SELinux is not enabled on the host")


def _check_restart_rules(pod: Value) -> None:
    """A rule that this node cannot keep is not silently dropped."""
    for container in containers_of(pod):
        for rule in container.spec.get("restartPolicyRules") or ():
            if rule.get("action") != "Restart":
                words = f"container {container.name}: restart rule action {rule.get('action')} is not supported"
                raise Refused("RestartRuleNotSupported", f"Pod was rejected: {words} by this node, only Restart is")
