"""Containers as `podman ps` lists them, and its filters.

Source: podman 5.5, pkg/domain/entities/types ListContainer, pkg/domain/filters/containers.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from maru.components.podman.model.inspect import View, port_map, visible_mounts
from maru.components.podman.model.names import bare, matches, podman_network
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.docker.filters import Filters, has_labels
from maru.wire.docker.moments import moment_of, parse_moment

STATES = ("created", "initialized", "running", "paused", "stopped", "exited", "removing", "unknown", "configured")
KNOWN = (
    *("id", "name", "label", "label!", "exited", "status", "ancestor", "before"),
    *("since", "volume", "health", "until", "pod", "network", "restart-policy", "command", "should-start-on-boot"),
)


@dataclass(frozen=True, slots=True)
class Lookups:
    """is_image: whether a reference means a container's image or what it was built on. find: a container by name."""

    is_image: Callable[[str, str], bool]
    find: Callable[[str], View]
    pod_names: Mapping[str, str]
    now: datetime


def selected(views: Sequence[View], filters: Filters, lookups: Lookups) -> list[View]:
    """In their order. Raises Invalid, NotFound."""
    for status in filters.get("status", ()):
        if status not in STATES:
            raise Invalid(what=f"{status} is not a valid status", why="")
    return [view for view in views if _accepts(view, filters, lookups)]


def listed(view: View, pod_names: Mapping[str, str], *, with_namespaces: bool = False) -> Value:
    """One row."""
    engine, remembered, state = view.engine, view.remembered, view.engine["State"]
    started, finished = moment_of(state["StartedAt"]), moment_of(state["FinishedAt"])
    words = [engine["Path"], *engine["Args"]] if engine["Path"] else []
    networks = engine["NetworkSettings"].get("Networks") or {}
    row: Value = {
        "AutoRemove": bool(engine["HostConfig"].get("AutoRemove")),
        "Command": words,
        "Created": engine["Created"],
        "CreatedAt": "",
        "CIDFile": "",
        "Exited": view.status in ("exited", "stopped"),
        "ExitedAt": int(finished.timestamp()) if finished else -62135596800,
        "ExitCode": state["ExitCode"],
        "ExposedPorts": _exposed(view),
        "Id": view.id,
        "Image": view.image_name,
        "ImageID": bare(engine["Image"]),
        "IsInfra": remembered.is_infra,
        "Labels": view.labels or None,
        "Mounts": [mount["Destination"] for mount in visible_mounts(view)],
        "Names": [view.name],
        "Namespaces": _namespaces(view) if with_namespaces else {},
        "Networks": [podman_network(name) for name in networks if name not in ("host", "none")],
        "Pid": state["Pid"],
        "Pod": remembered.pod,
        "PodName": pod_names.get(remembered.pod, ""),
        "Ports": ports(view),
        "Restarts": engine["RestartCount"],
        "Size": None,
        "StartedAt": int(started.timestamp()) if started else -62135596800,
        "State": view.status,
        "Status": (state.get("Health") or {}).get("Status", ""),
    }
    if "SizeRw" in engine:
        row["Size"] = {"rwSize": engine["SizeRw"], "rootFsSize": engine["SizeRootFs"]}
    return row


def ports(view: View) -> list[Value] | None:
    """Published ones; both families of one binding are one."""
    found: dict[tuple[str, int, int, str], None] = {}
    for key, bindings in port_map(view).items():
        number, _, protocol = key.partition("/")
        for binding in bindings or ():
            host = binding.get("HostPort") or "0"
            address = binding.get("HostIp") or ""
            found[("" if address in ("0.0.0.0", "::") else address, int(number), int(host), protocol)] = None
    rows = [
        {"host_ip": address, "container_port": inside, "host_port": outside, "range": 1, "protocol": protocol}
        for address, inside, outside, protocol in found
    ]
    return rows or None


def _exposed(view: View) -> Value | None:
    found: dict[str, list[str]] = {}
    for key in view.engine["Config"].get("ExposedPorts") or {}:
        number, _, protocol = key.partition("/")
        found.setdefault(number, []).append(protocol)
    return found or None


def _namespaces(view: View) -> Value:
    pid = view.engine["State"]["Pid"]
    return {"MNT": "", "NET": "", "PIDNS": "", "UTS": "", "IPC": "", "CGROUP": "", "USER": ""} if pid else {}


def _accepts(view: View, filters: Filters, lookups: Lookups) -> bool:
    engine, remembered, labels = view.engine, view.remembered, view.labels
    host, created = engine["HostConfig"], moment_of(engine["Created"])
    health = (engine["State"].get("Health") or {}).get("Status", "none")
    networks = [podman_network(name) for name in engine["NetworkSettings"].get("Networks") or {}]
    pod_name = lookups.pod_names.get(remembered.pod, "")
    tests: dict[str, Callable[[str], bool]] = {
        "id": lambda wanted: view.id.startswith(wanted) or matches(wanted, view.id),
        "name": lambda wanted: matches(wanted, view.name),
        "status": lambda wanted: view.status == wanted or {wanted, view.status} == {"stopped", "exited"},
        "exited": lambda wanted: view.status in ("exited", "stopped") and str(engine["State"]["ExitCode"]) == wanted,
        "ancestor": lambda wanted: lookups.is_image(wanted, engine["Image"]),
        "before": lambda wanted: engine["Created"] < lookups.find(wanted).engine["Created"],
        "since": lambda wanted: engine["Created"] > lookups.find(wanted).engine["Created"],
        "volume": lambda wanted: any(_is_mounted(mount, wanted) for mount in engine["Mounts"]),
        "health": lambda wanted: health == wanted,
        "until": lambda wanted: created is not None and created < _moment(wanted, lookups.now),
        "pod": lambda wanted: bool(remembered.pod) and (remembered.pod.startswith(wanted) or pod_name == wanted),
        "network": lambda wanted: wanted in networks or wanted == host["NetworkMode"],
        "restart-policy": lambda wanted: host["RestartPolicy"]["Name"] == wanted,
        "command": lambda wanted: (
            engine["Path"] == wanted or matches(wanted, " ".join([engine["Path"], *engine["Args"]]))
        ),
        "should-start-on-boot": lambda wanted: (wanted == "true") == (host["RestartPolicy"]["Name"] == "always"),
    }
    if not has_labels(labels, filters.get("label", ())):
        return False
    if any(has_labels(labels, [each]) for each in filters.get("label!", ())):
        return False
    return all(any(test(wanted) for wanted in filters[name]) for name, test in tests.items() if name in filters)


def _is_mounted(mount: Value, wanted: str) -> bool:
    source, _, destination = wanted.partition(":")
    if destination and mount["Destination"] != destination:
        return False
    return source in (mount.get("Name"), mount["Source"], mount["Destination"])


def _moment(text: str, now: datetime) -> datetime:
    try:
        return parse_moment(text, now)
    except ValueError as error:
        raise Invalid(what=str(error), why="") from error
