"""Control groups, whichever way the machine mounts them: version 2, version 1, or both (hybrid).

A group is named by its path from the root of the hierarchy (/maru/pods/a); with version 1 it is one
folder per controller. Reads are of kernel memory, so they do not block.
Source: Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

UNIFIED = ""
"""The key under which the version 2 hierarchy stands in `Cgroups.mounts`."""

_V1_CONTROLLERS = frozenset(
    (
        "cpu",
        "cpuacct",
        "cpuset",
        "memory",
        "devices",
        "freezer",
        "blkio",
        "pids",
        "hugetlb",
        "perf_event",
        "net_cls",
        "net_prio",
        "name=systemd",
    )
)
_NO_LIMIT = 1 << 62  # version 1 says "none" by the largest multiple of a page
_MEMBER_KEYS = ("memory", "pids", "freezer", "name=systemd", UNIFIED)


@dataclass(frozen=True, slots=True)
class BlockUsage:
    """What one operation did to one device. operation: as the kernel names it (Read, Total; read with version 2)."""

    major: int
    minor: int
    operation: str
    count: int


@dataclass(frozen=True, slots=True)
class GroupUsage:
    """cpu_ns: since the group was made; bytes as the kernel counts them; limits 0 for none.

    memory: the kernel's figures by its own names, bytes (and counts of page faults). block_bytes, block_requests:
    per device and operation. throttling: periods, those in which it was held back, and for how many nanoseconds.
    """

    cpu_ns: int
    memory_bytes: int
    inactive_file_bytes: int
    pids: int
    cpu_user_ns: int = 0
    cpu_system_ns: int = 0
    memory_limit_bytes: int = 0
    pids_limit: int = 0
    memory: Mapping[str, int] = field(default_factory=dict)
    block_bytes: Sequence[BlockUsage] = ()
    block_requests: Sequence[BlockUsage] = ()
    throttling: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Cgroups:
    """mounts: controller name to mount point; UNIFIED for version 2. controllers_unified: those v2 has."""

    mounts: Mapping[str, str]
    controllers_unified: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_hybrid(self) -> bool:
        """Version 1 controllers with a version 2 hierarchy beside them."""
        return UNIFIED in self.mounts and len(self.mounts) > 1

    @property
    def is_unified(self) -> bool:
        """Version 2 alone."""
        return set(self.mounts) == {UNIFIED}

    def file(self, controller: str, group: str, name: str) -> Path | None:
        """The control file of a group in the hierarchy that has the controller; None if none has."""
        key = controller if controller in self.mounts else UNIFIED
        if key == UNIFIED and controller and controller not in self.controllers_unified:
            return None
        return Path(f"{self.mounts[key]}{group}/{name}") if key in self.mounts else None

    def folders(self, group: str) -> Sequence[Path]:
        """The group's folder in every hierarchy (co-mounted controllers once), whether it exists or not."""
        return [Path(mount + group) for mount in dict.fromkeys(self.mounts.values())]

    def add_blocking(self, group: str, pid: int) -> None:
        """Move a process into a group, making the group where it is missing.

        Only in hierarchies that limit, freeze or name; others (a version 1 cpuset takes nobody before it
        is configured) are left alone.
        """
        keys = [key for key in _MEMBER_KEYS if key in self.mounts]
        for mount in dict.fromkeys(self.mounts[key] for key in keys):
            folder = Path(mount + group)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "cgroup.procs").write_text(str(pid))

    def free_root_blocking(self) -> None:
        """Make it possible to limit groups beneath our root when that is not the machine's own.

        In a container on a version 2 machine the root we see holds processes, and a group with processes
        cannot hand controllers on. They move into a group of their own, /init; elsewhere nothing is done.
        """
        root = Path(self.mounts.get(UNIFIED, "/nowhere"))
        if not self.is_unified or not (root / "cgroup.type").exists():  # only groups that are not the root have it
            return
        pids = _numbers(root / "cgroup.procs")
        if not pids:
            return
        (root / "init").mkdir(exist_ok=True)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                (root / "init" / "cgroup.procs").write_text(str(pid))
        if self.controllers_unified:
            words = " ".join(f"+{controller}" for controller in sorted(self.controllers_unified))
            (root / "cgroup.subtree_control").write_text(words)

    def remove_blocking(self, group: str) -> bool:
        """Remove an empty group with its empty children; False if something is left in it."""
        removed = True
        for folder in self.folders(group):
            for parent, _, _ in os.walk(folder, topdown=False):
                try:
                    Path(parent).rmdir()
                except FileNotFoundError:
                    continue
                except OSError:
                    removed = False
        return removed

    def remove_empty(self, group: str) -> None:
        """Remove a group that has neither processes nor children, wherever that is so."""
        for folder in self.folders(group):
            try:
                folder.rmdir()
            except OSError:  # it is not empty, or not there
                continue

    def processes(self, group: str) -> Sequence[int]:
        """The processes in a group and beneath it."""
        found: dict[int, None] = {}
        for key in ("pids", "memory", "freezer", UNIFIED):
            if key not in self.mounts:
                continue
            for parent, _, files in os.walk(self.mounts[key] + group):
                if "cgroup.procs" in files:
                    found.update(dict.fromkeys(_numbers(Path(parent, "cgroup.procs"))))
        return list(found)

    def usage(self, group: str) -> GroupUsage | None:
        """What the group uses; None if it does not exist. What no controller counts reads 0."""
        if not any(folder.is_dir() for folder in self.folders(group)):
            return None
        if "memory" in self.mounts:
            memory, inactive, limit = "memory.usage_in_bytes", "total_inactive_file", "memory.limit_in_bytes"
        else:
            memory, inactive, limit = "memory.current", "inactive_file", "memory.max"
        figures = _entries(self.file("memory", group, "memory.stat"))
        user_ns, system_ns = self._cpu_parts_ns(group)
        limit_bytes = _number(self.file("memory", group, limit))
        return GroupUsage(
            cpu_ns=self._cpu_ns(group),
            memory_bytes=_number(self.file("memory", group, memory)),
            inactive_file_bytes=figures.get(inactive, 0),
            pids=_number(self.file("pids", group, "pids.current")),
            cpu_user_ns=user_ns,
            cpu_system_ns=system_ns,
            memory_limit_bytes=0 if limit_bytes >= _NO_LIMIT else limit_bytes,
            pids_limit=_number(self.file("pids", group, "pids.max")),
            memory=figures,
            block_bytes=self._block_usage(group, "io_service_bytes", "bytes"),
            block_requests=self._block_usage(group, "io_serviced", "ios"),
            throttling=self._throttling(group),
        )

    def out_of_memory_kills(self, group: str) -> int:
        """How often the kernel killed a process of the group for want of memory."""
        if "memory" in self.mounts:
            return _entry(self.file("memory", group, "memory.oom_control"), "oom_kill")
        return _entry(self.file("memory", group, "memory.events"), "oom_kill")

    def is_frozen(self, group: str) -> bool:
        """Whether the group is paused."""
        if "freezer" in self.mounts:
            file = self.file("freezer", group, "freezer.state")
            return file is not None and _text(file).strip() in ("FROZEN", "FREEZING")
        file = self.file(UNIFIED, group, "cgroup.freeze")
        return file is not None and _text(file).strip() == "1"

    def thaw(self, group: str) -> None:
        """Let a paused group go on, so that signals reach it."""
        if "freezer" in self.mounts:
            file, word = self.file("freezer", group, "freezer.state"), "THAWED"
        else:
            file, word = self.file(UNIFIED, group, "cgroup.freeze"), "0"
        if file is not None and file.exists():
            file.write_text(word)

    def _cpu_parts_ns(self, group: str) -> tuple[int, int]:
        if "cpuacct" in self.mounts:
            ticks = _entries(self.file("cpuacct", group, "cpuacct.stat"))
            scale = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
            return ticks.get("user", 0) * scale, ticks.get("system", 0) * scale
        figures = _entries(self.file(UNIFIED, group, "cpu.stat"))
        return figures.get("user_usec", 0) * 1000, figures.get("system_usec", 0) * 1000

    def _block_usage(self, group: str, name: str, unit: str) -> Sequence[BlockUsage]:
        if "blkio" in self.mounts:
            # Newer kernels count for throttling only once some limit is set on the disk; BFQ where it is the scheduler.
            files = [self.file("blkio", group, f"blkio.{policy}.{name}_recursive") for policy in ("throttle", "bfq")]
            found = [_version_1_devices(_text(file)) for file in files if file is not None]
            return next((each for each in found if each), ())
        file = self.file("io", group, "io.stat")
        return _version_2_devices(_text(file) if file is not None else "", unit)

    def _throttling(self, group: str) -> tuple[int, int, int]:
        figures = _entries(self.file("cpu", group, "cpu.stat"))
        held_ns = figures.get("throttled_time", figures.get("throttled_usec", 0) * 1000)
        return figures.get("nr_periods", 0), figures.get("nr_throttled", 0), held_ns

    def _cpu_ns(self, group: str) -> int:
        if "cpuacct" in self.mounts:
            return _number(self.file("cpuacct", group, "cpuacct.usage"))
        file = self.file(UNIFIED, group, "cpu.stat")
        return _entry(file, "usage_usec") * 1000


def detect() -> Cgroups:
    """How this machine mounts its control groups."""
    mounts: dict[str, str] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        point = left.split(" ", 5)[4]
        if kind == "cgroup2":
            mounts.setdefault(UNIFIED, point)
        elif kind == "cgroup":
            for option in options.split(","):
                if option in _V1_CONTROLLERS:
                    mounts.setdefault(option, point)
    controllers: frozenset[str] = frozenset()
    if UNIFIED in mounts:
        controllers = frozenset(_text(Path(mounts[UNIFIED], "cgroup.controllers")).split())
    return Cgroups(mounts, controllers)


def group_of(pid: int, cgroups: Cgroups) -> str:
    """The group of a process as its limiting hierarchy names it; "" if the process has ended."""
    entries: dict[str, str] = {}
    for line in _text(Path(f"/proc/{pid}/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        entries.update(dict.fromkeys(controllers.split(","), path))
    for key in ("memory", "pids", "cpu", "freezer", UNIFIED):
        if key in entries and key in cgroups.mounts:
            return entries[key]
    return ""


def _version_1_devices(text: str) -> tuple[BlockUsage, ...]:
    """Lines `8:0 Read 4096`; the last one, a sum over all devices, is left out."""
    found = []
    for words in (line.split() for line in text.splitlines()):
        if len(words) == 3:
            major, _, minor = words[0].partition(":")
            found.append(BlockUsage(int(major), int(minor), words[1], int(words[2])))
    return tuple(found)


def _version_2_devices(text: str, unit: str) -> tuple[BlockUsage, ...]:
    """Lines `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`; unit: bytes or ios."""
    found = []
    for device, *words in (line.split() for line in text.splitlines() if ":" in line):
        major, _, minor = device.partition(":")
        figures = dict(word.partition("=")[::2] for word in words)
        for operation, letter in (("read", "r"), ("write", "w")):
            found.append(BlockUsage(int(major), int(minor), operation, int(figures.get(f"{letter}{unit}", 0))))
    return tuple(found)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:  # the group was removed between two looks, or the controller is absent
        return ""


def _number(file: Path | None) -> int:
    text = _text(file).strip() if file is not None else ""
    return int(text) if text.isdigit() else 0


def _numbers(file: Path) -> Sequence[int]:
    return [int(word) for word in _text(file).split()]


def _entries(file: Path | None) -> dict[str, int]:
    pairs = (line.split() for line in _text(file).splitlines()) if file is not None else ()
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _entry(file: Path | None, key: str) -> int:
    for line in _text(file).splitlines() if file is not None else ():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    return 0
