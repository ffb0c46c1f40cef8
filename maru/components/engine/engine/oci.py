"""The OCI runtime under the containers: crun or runc, whichever truly works on this machine.

What works is found by running a tiny container. crun 1.8 refuses hybrid control groups, but only
because it sees the version 2 mount; it is therefore started in a mount namespace of its own where
that mount is gone. Nothing else is hidden, and the namespace ends with the runtime's short run.
Source: OCI runtime specification 1.2, "Lifecycle"; crun(8), runc(8).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from maru.components.engine.engine.vm import availability
from maru.core.document import Value
from maru.core.errors import Deadline, Unavailable
from maru.linux.cgroups import UNIFIED, Cgroups
from maru.linux.processes import Command, Finished, run

NAMES = ("crun", "runc")  # crun starts a container in a third of the time
COMMAND_DEADLINE_S = 30.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGES = {"busybox": "busybox-static", "unshare": "util-linux"}
ENVIRONMENT = {"PATH": _PATH}


@dataclass(frozen=True, slots=True)
class OciRuntime:
    """One runtime. prefix: the command line before its own arguments; root: where it keeps its state."""

    name: str
    prefix: tuple[str, ...]
    root: str

    async def call(self, *arguments: str, stdin: bytes = b"", deadline_s: float = COMMAND_DEADLINE_S) -> Finished:
        """Run one of its commands to the end. Raises Deadline."""
        command = Command([*self.prefix, f"--root={self.root}", *arguments], ENVIRONMENT, cwd="/")
        try:
            return await run(command, deadline_s, stdin=stdin)
        except TimeoutError as error:
            raise Deadline(what=f"{self.name} {arguments[0]}", why=f"no end after {deadline_s} s", fix="") from error


def begin_blocking(runtime: OciRuntime, container_id: str) -> bool:
    """Let the process of a created container go on, which is all that `start` of crun does; False if it must be asked.

    crun's init waits at the fifo in its state folder for one byte. Source: crun 1.8, src/libcrun/status.c,
    libcrun_status_write_exec_fifo.
    """
    if runtime.name != "crun":
        return False
    fifo = Path(runtime.root, container_id, "exec.fifo")
    try:
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # nobody waits there: crun tells why
        return False
    try:
        fifo.unlink()
        return os.write(descriptor, b"\0") == 1
    except OSError:
        return False
    finally:
        os.close(descriptor)


def find_tool(name: str) -> str:
    """The path of a program. Raises Unavailable with the command that installs it."""
    path = shutil.which(name, path=_PATH)
    if path is None:
        package = _PACKAGES.get(name, name)
        raise Unavailable(what=name, why="it is not installed", fix=f"apt-get install {package}")
    return path


async def choose(wanted: str, root: str, folder: Path, cgroups: Cgroups) -> OciRuntime:
    """The wanted runtime, or the first that works; `folder` is used for the trial and is empty after it.

    Raises Unavailable with what each of them said.
    """
    failures = []
    for name in (wanted,) if wanted else NAMES:
        path = shutil.which(name, path=_PATH)
        if path is None:
            failures.append(f"{name} is not installed")
            continue
        for runtime in _ways(name, path, root, cgroups):
            said = await _try(runtime, folder)
            if said is None:
                return runtime
            failures.append(f"{name}: {said}")
    fix = "apt-get install crun" if all("not installed" in failure for failure in failures) else ""
    raise Unavailable(what="container runtime", why="; ".join(failures), fix=fix)


def installed_blocking(root: str, cgroups: Cgroups) -> dict[str, OciRuntime]:
    """Every runtime there is, by name, tried or not: containers of any of them may be running."""
    found: dict[str, OciRuntime] = {}
    for name in NAMES:
        path = shutil.which(name, path=_PATH)
        if path is not None:
            found[name] = _ways(name, path, root, cgroups)[0]
    if not availability.refusal_blocking("crun" in found):
        folder = f"{root}/{availability.NAME}"
        launcher = availability.launcher_blocking(Path(folder))
        found[availability.NAME] = OciRuntime(availability.NAME, (launcher,), folder)
    return found


def missing_blocking(found: Mapping[str, OciRuntime]) -> dict[str, str]:
    """The runtimes that cannot be had here, by name, each with why and what mends it."""
    absent = {name: f"it is not installed: apt-get install {name}" for name in NAMES if name not in found}
    if availability.NAME not in found:
        absent[availability.NAME] = availability.refusal_blocking("crun" in found)
    return absent


def message_of(output: bytes) -> str:
    """The runtime's own words out of what it printed: crun says them plainly, runc in a log line."""
    lines = [line for line in output.decode(errors="replace").strip().splitlines() if line.strip()]
    if not lines:
        return "it gave no reason"
    last = lines[-1]
    _, found, quoted = last.partition('msg="')
    if found:
        return quoted.rstrip('"').replace('\\"', '"')
    return last


def _ways(name: str, path: str, root: str, cgroups: Cgroups) -> Sequence[OciRuntime]:
    root = f"{root}/{name}"
    plain = OciRuntime(name, (path,), root)
    if name != "crun" or not cgroups.is_hybrid:
        return [plain]
    script = 'umount "$0" && exec "$@"'
    # The static shell, in which umount is built in, takes 5 ms less than the machine's own.
    shell = (find_tool("unshare"), "--mount", "--propagation", "slave", find_tool("busybox"), "sh", "-c")
    hiding = (*shell, script, cgroups.mounts[UNIFIED], path)
    return [OciRuntime(name, hiding, root), plain]


async def _try(runtime: OciRuntime, folder: Path) -> str | None:
    """Run a container that does nothing; what went wrong, or None."""
    trial = folder / f"trial-{os.getpid()}"
    root = trial / "root"
    for name in ("dev", "proc"):
        (root / name).mkdir(parents=True)
    trial_id = f"trial-{os.getpid()}"
    try:
        shutil.copy2(find_tool("busybox"), root / "busybox")
        (trial / "config.json").write_bytes(msgspec.json.encode(_trial_spec(root, trial_id)))
        finished = await runtime.call("run", f"--bundle={trial}", trial_id)
        if finished.code == 0:
            return None
        await runtime.call("delete", "--force", trial_id)
        return message_of(finished.output)
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def _trial_spec(root: Path, trial_id: str) -> Value:
    namespaces = [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(root), "readonly": True},
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": ["/busybox", "true"],
            "env": [f"PATH={_PATH}"],
            "cwd": "/",
            "noNewPrivileges": True,
        },
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": namespaces, "cgroupsPath": f"/{trial_id}", "resources": {"pids": {"limit": 8}}},
    }
