"""What is written down of a container, so that another process can take it over.

One JSON file in the container's folder, replaced as a whole. Process numbers count only together
with their start time and the boot they belong to.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from maru.contracts.runtime import ContainerState, ContainerStatus

_FILE = "container.json"


class Record(msgspec.Struct):
    """A container as it was last known. Times are RFC 3339 with nanoseconds, "" for not yet.

    phase: creating until it is made, then created. ticks: start times after boot. is_laid_out: it has a
    root file system and no process yet.
    """

    id: str
    owner: str
    boot: str
    runtime: str
    cgroup: str = ""
    phase: str = "creating"
    created_at: str = ""
    started_at: str = ""
    finished_at: str = ""
    pid: int = 0
    pid_ticks: int = 0
    holder_pid: int = 0
    holder_ticks: int = 0
    exit_code: int | None = None
    oom_killed: bool = False
    reason: str = ""
    labels: dict[str, str] = {}
    layers: list[str] = []
    log_path: str = ""
    log_bytes_max: int = 0
    log_files_max: int = 0
    is_laid_out: bool = False
    terminal: bool = False
    stdin: bool = False
    stdin_once: bool = False
    image: str = ""

    def status(self, *, root_path: str, is_paused: bool) -> ContainerStatus:
        """The contract's view."""
        if self.exit_code is not None:
            state = ContainerState.EXITED
        elif not self.started_at:
            state = ContainerState.CREATED
        else:
            state = ContainerState.PAUSED if is_paused else ContainerState.RUNNING
        return ContainerStatus(
            id=self.id,
            owner=self.owner,
            state=state,
            pid=0 if state is ContainerState.EXITED or self.is_laid_out else self.pid,
            created_at=self.created_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            exit_code=self.exit_code,
            oom_killed=self.oom_killed,
            reason=self.reason,
            labels=dict(self.labels),
            log_path=self.log_path,
            runtime=self.runtime,
            root_path=root_path,
            written_path=str(Path(root_path).parent / "upper"),
        )


def write(folder: Path, record: Record) -> None:
    """Replace the record in a container's folder: a few hundred bytes, not synced. Raises OSError."""
    fresh = folder / f"{_FILE}.new"
    fresh.write_bytes(msgspec.json.encode(record))
    fresh.replace(folder / _FILE)


def read(folder: Path) -> Record | None:
    """The record in a container's folder; None if there is none that can be read."""
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None
