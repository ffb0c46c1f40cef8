"""Which containers a list shows. Source: Docker Engine API v1.50, ContainerList `filters`; moby daemon/list.go."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maru.components.docker.model.inspect import View
from maru.components.docker.model.swarm.tasks import TASK_LABEL
from maru.core.errors import Invalid
from maru.wire.docker.filters import Filters, boolean, has_labels
from maru.wire.docker.ports import parse_port

KNOWN = frozenset(
    {"ancestor", "before", "expose", "exited", "health", "id", "isolation", "is-task", "label", "name", "network"}
    | {"publish", "since", "status", "volume"}
)
STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")


@dataclass(frozen=True, slots=True)
class Lookups:
    """is_image: whether a reference means, or is below, a container's image. created: of a container."""

    is_image: Callable[[str, str], bool]
    created: Callable[[str], str]


def check(filters: Filters) -> None:
    """Raises Invalid in dockerd's words."""
    for status in filters.get("status", ()):
        if status not in STATES:
            raise Invalid(what=f"invalid filter 'status={status}'", why="")
    for health in filters.get("health", ()):
        if health not in ("starting", "healthy", "unhealthy", "none"):
            raise Invalid(what=f"invalid filter 'health={health}'", why="")
    for code in filters.get("exited", ()):
        if not code.lstrip("-").isdigit():
            raise Invalid(what=f"invalid filter 'exited={code}'", why="")
    try:
        boolean(filters, "is-task")
        for name in ("publish", "expose"):
            for port in filters.get(name, ()):
                parse_port(port)
    except ValueError as error:
        raise Invalid(what=str(error), why="") from error


def selected(views: Sequence[View], filters: Filters, lookups: Lookups, *, is_all: bool) -> Sequence[View]:
    """Newest first as they come. is_all: also those that do not run."""
    check(filters)
    if "exited" in filters or "status" in filters:
        is_all = True
    before = min((lookups.created(each) for each in filters.get("before", ())), default="")
    since = max((lookups.created(each) for each in filters.get("since", ())), default="")
    kept = []
    for view in views:
        if not is_all and not view.state.is_running and not (before or since):
            continue
        created = view.container.created
        if (before and created >= before) or (since and created <= since):
            continue
        if _accepts(view, filters, lookups):
            kept.append(view)
    return kept


def _accepts(view: View, filters: Filters, lookups: Lookups) -> bool:
    container, state = view.container, view.state
    is_task = TASK_LABEL in (container.config.get("Labels") or ())
    tests: dict[str, Callable[[str], bool]] = {
        "id": lambda wanted: container.id.startswith(wanted) or re.search(wanted, container.id) is not None,
        "name": lambda wanted: any(_is_called(name, wanted) for name in view.names),
        "status": lambda wanted: state.state == wanted,
        "health": lambda wanted: (state.health.status if state.health else "none") == wanted,
        "exited": lambda wanted: not state.is_running and bool(state.started_at) and state.exit_code == int(wanted),
        "ancestor": lambda wanted: lookups.is_image(wanted, container.image_id),
        "volume": lambda wanted: any(wanted in (point.name, point.destination) for point in container.mounts),
        "network": lambda wanted: _is_on(view, wanted),
        "publish": lambda wanted: _has_port(view, wanted, is_published=True),
        "expose": lambda wanted: _has_port(view, wanted, is_published=False),
        "isolation": lambda wanted: wanted in ("default", container.host_config.get("Isolation")),
        "is-task": lambda wanted: (wanted.lower() in ("true", "1")) == is_task,
    }
    if not has_labels(container.config.get("Labels") or {}, filters.get("label", ())):
        return False
    return all(any(test(wanted) for wanted in filters[name]) for name, test in tests.items() if name in filters)


def _is_called(name: str, wanted: str) -> bool:
    try:
        return re.search(wanted.removeprefix("/"), name) is not None or re.search(wanted, f"/{name}") is not None
    except re.error:
        return wanted in name


def _is_on(view: View, wanted: str) -> bool:
    if wanted in view.container.networks:
        return True
    endpoints = view.connectivity.endpoints if view.connectivity else ()
    return any(wanted == each.network_name or each.network_id.startswith(wanted) for each in endpoints)


def _has_port(view: View, wanted: str, *, is_published: bool) -> bool:
    first, last, protocol = parse_port(wanted)
    if is_published:
        ports = view.connectivity.ports if view.connectivity else ()
        return any(port.protocol == protocol and first <= port.host_port <= last for port in ports)
    for port in view.container.config.get("ExposedPorts") or {}:
        low, high, kind = parse_port(port)
        if kind == protocol and low <= last and first <= high:
            return True
    return False
