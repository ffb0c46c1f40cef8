"""Containers: created from an OCI bundle, held by a small process of their own, adopted after a restart.

The runtime knows no Pod and no image name: it is told a root file system as layers to stack and
everything else as an OCI runtime specification. Containers and their exit codes outlive every
Maru process. Source: OCI runtime specification 1.2; conmon's manual.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from maru.core.document import Value


class ContainerState(StrEnum):
    """Where a container stands in its life; it only moves down this list (paused and back aside)."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What to create.

    id: 64 hex digits; layers: read-only folders, lowest first; spec: the OCI runtime config without
    `root` (the runtime stacks the layers and sets it); labels: kept beside it and given back.
    log_path: where stdout and stderr go in the CRI format, "" for none; log_bytes_max: size at which
    the log is rotated (0: never); log_files_max: files kept then (0: as configured). owner: "pods" or
    "docker", so each dialect finds its own. is_laid_out_only: no process is made before `launch`.
    """

    id: str
    owner: str
    layers: Sequence[str]
    spec: Value
    log_path: str = ""
    log_bytes_max: int = 0
    log_files_max: int = 0
    is_laid_out_only: bool = False
    terminal: bool = False
    stdin: bool = False
    stdin_once: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    runtime: str = ""  # one of `choices`, or "" for the first of them
    image: str = ""  # id of the image it stands on; without it any image of the same layers counts as used


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """A container now. Times are RFC 3339 with nanoseconds, "" if it has not come to that.

    exit_code: 0..255, 128+n for signal n; None until exited. oom_killed: the kernel's verdict.
    """

    id: str
    owner: str
    state: ContainerState
    pid: int
    created_at: str
    started_at: str = ""
    finished_at: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    reason: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    log_path: str = ""
    root_path: str = ""  # the stacked root file system, as the host sees it
    written_path: str = ""  # the folder of what the container changed in it, "" if there is none to measure
    runtime: str = ""  # which of `choices` it runs on


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """One way to run containers. path: its program; refusal: why it cannot be had and what mends it, "" if it can."""

    name: str
    path: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class BlockFigure:
    """What one operation did to one device. operation: as the kernel names it, Read (version 1) or read (2)."""

    major: int
    minor: int
    operation: str
    count: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container uses. cpu_ns: total since start; memory working set excludes inactive file pages.

    cpu_user_ns, cpu_system_ns: parts of it; memory_limit_bytes, pids_limit: 0 for none. memory: the
    kernel's own figures by name, bytes. block_bytes, block_requests: per device and operation. throttling:
    scheduler periods, those in which it was held back, and for how many nanoseconds.
    """

    cpu_ns: int
    memory_bytes: int
    memory_working_set_bytes: int
    pids: int
    cpu_user_ns: int = 0
    cpu_system_ns: int = 0
    memory_limit_bytes: int = 0
    pids_limit: int = 0
    memory: Mapping[str, int] = field(default_factory=dict)
    block_bytes: Sequence[BlockFigure] = ()
    block_requests: Sequence[BlockFigure] = ()
    throttling: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class ExecSpec:
    """A process to run in a container; `process` is the OCI process object (args, env, cwd, user...)."""

    process: Value
    terminal: bool = False
    stdin: bool = False


class Session(Protocol):
    """The streams of an attached container or of an exec.

    Output chunks are (stream, bytes) with stream 1 stdout and 2 stderr (a terminal has only 1).
    """

    @property
    def pid(self) -> int:
        """The process of an exec, as the host numbers it; 0 for an attached container."""
        ...

    def output(self) -> AsyncIterator[tuple[int, bytes]]: ...
    async def write_stdin(self, chunk: bytes) -> None: ...
    async def close_stdin(self) -> None: ...
    async def resize(self, width: int, height: int) -> None:
        """Columns and rows; no effect without a terminal."""
        ...

    async def wait(self) -> int:
        """The exit code (for attach: of the container)."""
        ...

    async def close(self) -> None:
        """Detach. An exec's process is killed; an attached container goes on."""
        ...


class ContainerRuntime(Protocol):
    """The containers of this machine."""

    def choices(self) -> Sequence[RuntimeChoice]:
        """The runtimes a container can ask for by name, the default first; never changes."""
        ...

    async def create(self, container: ContainerSpec) -> ContainerStatus:
        """Stack the layers, make the bundle and the container, not yet running its command.

        Raises Invalid (the runtime refuses the specification: its own words), Unavailable.
        """
        ...

    async def start(self, container_id: str) -> ContainerStatus: ...

    async def launch(self, container_id: str, spec: Value) -> ContainerStatus:
        """Make the process of a container that is only laid out, or of one that has exited, ready for `start`.

        `spec` is the OCI runtime config from now on; the file system is what was left there. Raises
        Conflict when it has a process, Invalid (the runtime's own words; it stays as it was), Unavailable.
        """
        ...

    async def kill(self, container_id: str, signal: int, *, all_processes: bool = False) -> None:
        """Send a signal to the first process (or to all); no error if it has exited."""
        ...

    async def pause(self, container_id: str) -> None: ...
    async def resume(self, container_id: str) -> None: ...

    async def update_resources(self, container_id: str, resources: Value) -> None:
        """Change cgroup limits of a running container; `resources` is OCI linux.resources."""
        ...

    async def remove(self, container_id: str) -> None:
        """Kill if needed and take everything away: processes, mounts, cgroup, bundle. Idempotent."""
        ...

    def find(self, container_id: str) -> ContainerStatus | None: ...
    def list(self, owner: str = "") -> Sequence[ContainerStatus]: ...

    def exits(self) -> AsyncIterator[ContainerStatus]:
        """Every container that exits from now on, within a few milliseconds; each caller gets all."""
        ...

    async def wait(self, container_id: str) -> ContainerStatus:
        """When it has exited. Raises NotFound."""
        ...

    async def exec(self, container_id: str, spec: ExecSpec) -> Session:
        """Raises Conflict if it is not running, Invalid when the command cannot be started."""
        ...

    async def attach(self, container_id: str, *, stdin: bool) -> Session: ...

    async def exec_sync(self, container_id: str, process: Value, deadline_s: float) -> tuple[int, bytes]:
        """Run to the end: exit code, and at most 16 KiB of stdout and stderr together. Raises Deadline."""
        ...

    async def reopen_log(self, container_id: str) -> None:
        """After the log was moved aside: write to a new file of the old name."""
        ...

    def usage(self, container_id: str) -> Usage | None: ...
