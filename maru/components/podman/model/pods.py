"""Pods: their state out of their containers', and how they are shown.

Source: podman 5.5, libpod/pod_status.go, libpod/define/pod_inspect.go, pkg/domain/entities/types ListPodsReport.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maru.components.podman.model.definitions import Pod
from maru.components.podman.model.inspect import View
from maru.components.podman.model.listing import ports
from maru.components.podman.model.names import podman_network
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.docker.filters import Filters, has_labels

KNOWN = (
    *("id", "name", "label", "label!", "status"),
    *("ctr-ids", "ctr-names", "ctr-number", "ctr-status", "network", "until"),
)


@dataclass(frozen=True, slots=True)
class PodView:
    """A pod with its containers, the infra container among them."""

    pod: Pod
    members: Sequence[View]

    @property
    def infra(self) -> View | None:
        return next((view for view in self.members if view.id == self.pod.infra), None)

    @property
    def state(self) -> str:
        """Created, Running, Degraded, Paused, Exited or Error."""
        words = {"running": "Running", "paused": "Paused", "exited": "Exited", "stopped": "Exited"}
        counted = Counter(words.get(view.status, "Created") for view in self.members)
        total = len(self.members)
        for state in ("Running", "Paused", "Exited"):
            if total and counted[state] == total:
                return state
        return "Degraded" if counted["Running"] else "Exited" if counted["Exited"] else "Created"


def inspected(view: PodView) -> Value:
    """The whole of it."""
    pod, infra = view.pod, view.infra
    shown: Value = {
        "Id": pod.id,
        "Name": pod.name,
        "Namespace": "",
        "Created": pod.created,
        "CreateCommand": pod.command or None,
        "ExitPolicy": "continue",
        "State": view.state,
        "Hostname": pod.hostname,
        "Labels": pod.labels,
        "CreateCgroup": False,
        "CgroupParent": pod.cgroup_parent,
        "CgroupPath": "",
        "CreateInfra": bool(pod.infra),
        "InfraContainerID": pod.infra,
        "InfraConfig": _infra_config(infra) if infra is not None else None,
        "SharedNamespaces": pod.shared if pod.infra else [],
        "NumContainers": len(view.members),
        "RestartPolicy": pod.restart_policy,
        "LockNumber": 0,
    }
    if view.members:
        shown["Containers"] = [{"Id": each.id, "Name": each.name, "State": each.status} for each in view.members]
    return shown


def listed(view: PodView) -> Value:
    """One row."""
    networks = (view.infra.engine["NetworkSettings"].get("Networks") or {}) if view.infra is not None else {}
    return {
        "Cgroup": view.pod.cgroup_parent,
        "Containers": [
            {"Id": each.id, "Names": each.name, "Status": each.status, "RestartCount": each.engine["RestartCount"]}
            for each in view.members
        ],
        "Created": view.pod.created,
        "Id": view.pod.id,
        "InfraId": view.pod.infra,
        "Name": view.pod.name,
        "Namespace": "",
        "Networks": [podman_network(name) for name in networks if name not in ("host", "none")],
        "Status": view.state,
        "Labels": view.pod.labels,
    }


def selected(views: Sequence[PodView], filters: Filters) -> list[PodView]:
    """Raises Invalid."""
    states = ("created", "running", "degraded", "paused", "exited", "stopped", "error", "dead")
    for status in filters.get("status", ()):
        if status.lower() not in states:
            raise Invalid(what=f"{status} is not a valid pod status", why="")
    return [view for view in views if _accepts(view, filters)]


def _accepts(view: PodView, filters: Filters) -> bool:
    pod, members = view.pod, view.members
    networks = listed(view)["Networks"]
    tests: dict[str, Callable[[str], bool]] = {
        "id": pod.id.startswith,
        "name": lambda wanted: wanted in pod.name,
        "status": lambda wanted: view.state.lower() == {"stopped": "exited"}.get(wanted.lower(), wanted.lower()),
        "ctr-ids": lambda wanted: any(each.id.startswith(wanted) for each in members),
        "ctr-names": lambda wanted: any(wanted in each.name for each in members),
        "ctr-number": lambda wanted: str(len(members)) == wanted,
        "ctr-status": lambda wanted: any(each.status == wanted for each in members),
        "network": lambda wanted: wanted in networks,
        "until": lambda wanted: pod.created < wanted,
    }
    if not has_labels(pod.labels, filters.get("label", ())):
        return False
    if any(has_labels(pod.labels, [each]) for each in filters.get("label!", ())):
        return False
    return all(any(test(wanted) for wanted in filters[name]) for name, test in tests.items() if name in filters)


def _infra_config(infra: View) -> Value:
    host = infra.engine["HostConfig"]
    networks = infra.engine["NetworkSettings"].get("Networks") or {}
    bindings = {key: value for key, value in (host.get("PortBindings") or {}).items() if value} if ports(infra) else {}
    return {
        "PortBindings": bindings,
        "HostNetwork": host["NetworkMode"] == "host",
        "StaticIP": "",
        "StaticMAC": "",
        "NoManageResolvConf": False,
        "DNSServer": host.get("Dns") or None,
        "DNSSearch": host.get("DnsSearch") or None,
        "DNSOption": host.get("DnsOptions") or None,
        "NoManageHosts": False,
        "HostAdd": host.get("ExtraHosts") or None,
        "Networks": [podman_network(name) for name in networks if name not in ("host", "none")],
        "NetworkOptions": None,
        "pid_ns": host.get("PidMode") or "private",
        "userns": "host",
        "uts_ns": host.get("UTSMode") or "private",
    }
