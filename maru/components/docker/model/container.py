"""A docker container: what was asked for, and how it stands.

Both are kept in its document, `spec` and `status`, with the names of the Engine API inside `config` and
`hostConfig` and ours around them. Source: Docker Engine API v1.50, ContainerInspect.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from maru.core.document import Value
from maru.wire.docker.moments import ZERO, human, moment_of

SHORT = 12  # digits of an id that people see


class MountPoint(msgspec.Struct, rename="camel"):
    """One mount. kind: bind, volume or tmpfs. name: of a volume. source: on the host, "" for tmpfs.

    mode: the options as they were given; is_copied: what the image has at the target fills an empty volume.
    size_bytes, tmpfs_mode: of a tmpfs, 0 for the kernel's own. options: further ones of the mount.
    """

    kind: str
    destination: str
    source: str = ""
    name: str = ""
    driver: str = ""
    mode: str = ""
    is_writable: bool = True
    propagation: str = ""
    is_copied: bool = True
    is_anonymous: bool = False
    is_recursive: bool = True
    is_recursive_readonly: bool = True
    subpath: str = ""
    size_bytes: int = 0
    tmpfs_mode: int = 0
    options: list[str] = []


class Container(msgspec.Struct, rename="camel"):
    """What was asked for. created: RFC 3339 with nanoseconds. image: as it was named; image_id: sha256:...

    config, host_config: as in an inspect, image defaults merged in. networks: by name, endpoint settings.
    environment: config's Env as it was sealed, where it cannot be opened; else "".
    """

    id: str
    name: str
    node: str
    created: str
    image: str
    image_id: str
    config: Value
    host_config: Value
    networks: dict[str, Value] = {}
    mounts: list[MountPoint] = []
    labels: dict[str, str] = {}  # of the container itself, as in config
    environment: str = ""

    @property
    def short_id(self) -> str:
        return self.id[:SHORT]

    @property
    def is_terminal(self) -> bool:
        return bool(self.config.get("Tty"))

    @property
    def auto_remove(self) -> bool:
        return bool(self.host_config.get("AutoRemove"))

    @property
    def network_mode(self) -> str:
        mode = self.host_config.get("NetworkMode") or "default"
        return "bridge" if mode == "default" else str(mode)

    @property
    def policy(self) -> str:
        """The restart policy's name."""
        return str((self.host_config.get("RestartPolicy") or {}).get("Name") or "no")

    @property
    def attempts_max(self) -> int:
        """How often on-failure restarts, 0 for always."""
        return int((self.host_config.get("RestartPolicy") or {}).get("MaximumRetryCount") or 0)

    @property
    def log_driver(self) -> str:
        return str((self.host_config.get("LogConfig") or {}).get("Type") or "json-file")


class Health(msgspec.Struct, rename="camel"):
    """What the health check said last. status: starting, healthy or unhealthy. log: at most 5 results."""

    status: str = "starting"
    failing_streak: int = 0
    log: list[Value] = []


class State(msgspec.Struct, rename="camel"):
    """How it stands. state: created, running, paused, restarting, exited, removing or dead.

    is_stopped_by_user: no restart policy brings it back but "always" after a restart of the platform.
    error: why the last start failed. ports: published ones, as people read them.
    """

    state: str = "created"
    started_at: str = ""
    finished_at: str = ""
    exit_code: int = 0
    error: str = ""
    is_out_of_memory: bool = False
    restart_count: int = 0
    is_stopped_by_user: bool = False
    health: Health | None = None
    ports: str = ""

    @property
    def is_running(self) -> bool:
        """As the Engine means it: a paused one and one that is between two runs count."""
        return self.state in ("running", "paused", "restarting")


def status_text(state: State, now: datetime) -> str:
    """The STATUS column of `docker ps`."""
    started, finished = moment_of(state.started_at), moment_of(state.finished_at)
    since_end = human((now - finished).total_seconds()) if finished else "Less than a second"
    if state.state == "restarting":
        return f"Restarting ({state.exit_code}) {since_end} ago"
    if state.state in ("running", "paused"):
        up = f"Up {human((now - started).total_seconds())}" if started else "Up Less than a second"
        if state.state == "paused":
            return f"{up} (Paused)"
        if state.health is not None:
            words = {"starting": "health: starting"}.get(state.health.status, state.health.status)
            return f"{up} ({words})"
        return up
    if state.state == "removing":
        return "Removal In Progress"
    if state.state == "dead":
        return "Dead"
    if state.state == "created" or not state.started_at:
        return "Created"
    return f"Exited ({state.exit_code}) {since_end} ago"


def state_value(state: State, pid: int) -> Value:
    """`State` of an inspect."""
    shown: Value = {
        "Status": state.state,
        "Running": state.is_running,
        "Paused": state.state == "paused",
        "Restarting": state.state == "restarting",
        "OOMKilled": state.is_out_of_memory,
        "Dead": state.state == "dead",
        "Pid": pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": state.started_at or ZERO,
        "FinishedAt": state.finished_at or ZERO,
    }
    if state.health is not None:
        health = state.health
        shown["Health"] = {"Status": health.status, "FailingStreak": health.failing_streak, "Log": health.log}
    return shown


def mount_value(point: MountPoint) -> Value:
    """One of `Mounts` of an inspect."""
    shown: Value = {"Type": point.kind}
    if point.name:
        shown["Name"] = point.name
    shown |= {"Source": point.source, "Destination": point.destination}
    if point.driver:
        shown["Driver"] = point.driver
    return shown | {"Mode": point.mode, "RW": point.is_writable, "Propagation": point.propagation}


def labels_of(config: Mapping[str, object]) -> dict[str, str]:
    """The labels in a configuration."""
    labels = config.get("Labels")
    return {str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}
