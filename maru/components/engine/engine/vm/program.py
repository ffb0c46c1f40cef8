"""The command line of the runtime `vm`, as conmon and the engine call any OCI runtime.

    create --bundle DIR --pid-file FILE [--console-socket PATH] ID     exec --process FILE --pid-file FILE [-d] ID
    start ID    delete [--force] ID    pause ID    resume ID    update --resources FILE ID

Source: OCI runtime command line interface (opencontainers/runtime-tools); runc(8).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import termios
import time
import tty
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from maru.components.engine.engine.vm import streams
from maru.components.engine.engine.vm.initramfs import ensure_blocking, kernels_blocking
from maru.components.engine.engine.vm.machine import Build, accelerator_blocking, network_script
from maru.components.engine.engine.vm.shepherd import GONE, Shepherd
from maru.components.engine.model.guest import Guest, guest_of
from maru.linux.cgroup_limits import GroupLimits, limit_blocking
from maru.linux.cgroups import detect
from maru.linux.namespaces import enter_blocking
from maru.linux.private_mounts import bind_tree_blocking, make_private_blocking
from maru.linux.taps import Wire, list_wires_blocking, open_tap_blocking

if TYPE_CHECKING:
    from maru.core.document import Value

_WITH_VALUE = frozenset({"root", "bundle", "pid-file", "console-socket", "process", "resources", "log", "log-format"})
_SHORT = {"-b": "--bundle", "-p": "--process", "-d": "--detach", "-f": "--force", "-r": "--resources"}
_KILL_WAIT_S = 10.0
_TAP = "vmtap"
_TAP_GONE_S = 3.0


class Refusal(Exception):
    """What cannot be done, in words for people."""


def main(arguments: Sequence[str]) -> NoReturn:
    """Obey and exit: 0, or 1 with the reason on standard error; an exec that is waited for with its own code."""
    options, words = _parsed(arguments)
    try:
        verb, container_id = words[0], words[1]
        folder = Path(options["root"], container_id)
        code = _VERBS[verb](folder, options)
    except (Refusal, OSError, ValueError, KeyError, IndexError) as error:
        reason = f"{error.args[0]!r} is not understood" if isinstance(error, KeyError | IndexError) else str(error)
        sys.stderr.write(f"vm: {reason}\n")
        code = 1
    sys.stderr.flush()
    os._exit(code)


def _create(folder: Path, options: dict[str, str]) -> int:
    bundle = Path(options["bundle"]).resolve()
    spec = json.loads((bundle / "config.json").read_text())
    guest = guest_of(spec, len(os.sched_getaffinity(0)))
    kernels = kernels_blocking()
    if not kernels:
        raise Refusal("no kernel for guests is installed: apt-get install linux-image-cloud-amd64")
    version, kernel = kernels[0]
    folder.mkdir(parents=True, mode=0o700)
    (folder / "bundle").symlink_to(bundle)
    (folder / "exec.fifo").touch()
    initramfs = ensure_blocking(folder.parent, version)
    accelerator = accelerator_blocking(folder.parent, kernel)
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reads)
        build = Build(folder, kernel, initramfs, accelerator, guest.memory_bytes, guest.processors, ())
        _be_shepherd(build, guest, spec, options.get("console-socket", ""), writes)
    os.close(writes)
    with os.fdopen(reads, "rb") as told:
        words = told.read()
    if words:
        os.waitpid(pid, 0)
        raise Refusal(words.decode())
    (folder / "pid").write_text(str(pid))
    Path(options["pid-file"]).write_text(str(pid))
    return 0


def _be_shepherd(build: Build, guest: Guest, spec: Value, console: str, told: int) -> NoReturn:
    """In the forked process: set everything up, say so by closing `told` (or why not through it), then tend."""
    shepherd, words = None, "it broke off"
    try:
        os.setsid()
        _join_group(spec, guest)
        is_terminal = bool(spec["process"].get("terminal"))
        main = (_terminal(console),) * 3 if is_terminal else (0, 1, 2)
        _lay_out(build.folder, guest, spec["root"]["path"])
        wires = []
        if guest.netns:
            with open(guest.netns, "rb") as namespace:  # noqa: PTH123 - its descriptor is what counts
                enter_blocking(namespace.fileno())
            wires = _wires()
        taps = [(open_tap_blocking(f"{_TAP}{number}", wire), wire) for number, wire in enumerate(wires)]
        config = build.folder / "share" / "config"
        (config / "network.sh").write_text(network_script(wires, guest.sysctls))
        (config / "now").write_text(f"{time.time():.0f}\n")
        made = Build(
            build.folder,
            build.kernel,
            build.initramfs,
            build.accelerator,
            guest.memory_bytes,
            guest.processors,
            taps,
        )
        shepherd = Shepherd(made, (main[0], main[1], main[2]), is_terminal=is_terminal)
        shepherd.boot()
        words = ""
    except (Refusal, OSError, ValueError, KeyError) as error:
        words = str(error) or repr(error)
    finally:
        if words:
            if shepherd is not None:
                shepherd.end()
            os.write(told, words.encode())
            os._exit(1)
    os.close(told)
    assert shepherd is not None, "it would have said why not"
    code = GONE
    try:
        code = shepherd.tend()
    finally:
        shepherd.end()
        os._exit(code)


def _wires() -> list[Wire]:
    """The devices of this namespace. Raises Refusal when a machine stands on them, which it cannot share."""
    give_up_at = time.monotonic() + _TAP_GONE_S  # that of a machine killed just now is about to go
    while True:
        wires = list(list_wires_blocking())
        if not any(wire.name.startswith(_TAP) for wire in wires):
            return wires
        if time.monotonic() > give_up_at:
            raise Refusal("another virtual machine has this network: a Pod of this class has one container at a time")
        time.sleep(0.02)


def _join_group(spec: Value, guest: Guest) -> None:
    path = (spec.get("linux") or {}).get("cgroupsPath")
    if not path:
        return
    groups = detect()
    limit_blocking(groups, path, GroupLimits(shares=guest.cpu_shares, quota_us=guest.quota_us))
    groups.add_blocking(path, os.getpid())


def _lay_out(folder: Path, guest: Guest, root: str) -> None:
    """What the guest is given, seen by this process and those it starts alone."""
    share = folder / "share"
    for part in (share, share / "root", share / "mounts", share / "config"):
        part.mkdir(exist_ok=True)
    spec = dict(guest.spec)
    make_private_blocking()
    bind_tree_blocking(root, str(share / "root"), is_read_only=False)
    for number, one in enumerate(guest.shares):
        target = share / "mounts" / str(number)
        if Path(one.source).is_dir():
            target.mkdir(exist_ok=True)
        else:
            target.touch()
        bind_tree_blocking(one.source, str(target), is_read_only=one.is_read_only)
    name = next((mount["source"] for mount in spec["mounts"] if mount["destination"] == "/etc/hostname"), "")
    if name and not spec.get("hostname"):
        spec["hostname"] = Path(share, "mounts", Path(name).name).read_text().strip()
    (share / "config" / "config.json").write_text(json.dumps(spec))


def _terminal(console: str) -> int:
    """A terminal whose other side goes to whoever listens at `console`; this process's own, and raw."""
    ours, theirs = os.openpty()
    with streams.connect(Path(console)) as connection:
        socket.send_fds(connection, [b"/dev/pts"], [ours])
    os.close(ours)
    tty.setraw(theirs)
    fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    return theirs


def _start(folder: Path, options: dict[str, str]) -> int:
    with streams.connect(folder / "s") as connection:
        connection.sendall(b'{"verb": "start"}\n')
        answer = _line(connection)
    if "started" not in answer:
        raise Refusal(str(answer.get("failed") or "the virtual machine has ended"))
    (folder / "exec.fifo").unlink(missing_ok=True)
    return 0


def _exec(folder: Path, options: dict[str, str]) -> int:
    process = json.loads(Path(options["process"]).read_text())
    is_detached = "detach" in options
    if is_detached:
        return _exec_detached(folder, options, process)
    connection = _asked(folder, process, [0, 1, 2])
    Path(options["pid-file"]).write_text(str(os.getpid()))
    return int(_line(connection).get("exit", GONE))


def _exec_detached(folder: Path, options: dict[str, str], process: Value) -> int:
    """The process that stays stands for the one in the guest: it ends with its code."""
    reads, writes = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writes)
        with os.fdopen(reads, "rb") as told:
            words = told.read()
        if words:
            os.waitpid(pid, 0)
            raise Refusal(words.decode())
        Path(options["pid-file"]).write_text(str(pid))
        return 0
    os.close(reads)
    os.setsid()
    try:
        descriptors = [_terminal(options["console-socket"])] if process.get("terminal") else [0, 1, 2]
        connection = _asked(folder, process, descriptors)
    except (Refusal, OSError) as error:
        os.write(writes, str(error).encode())
        os._exit(1)
    os.close(writes)
    if process.get("terminal"):
        terminal = descriptors[0]

        def resized(*_: object) -> None:
            size = os.get_terminal_size(terminal)
            connection.sendall(json.dumps({"size": [size.lines, size.columns]}).encode() + b"\n")

        signal.signal(signal.SIGWINCH, resized)
    return int(_line(connection).get("exit", GONE))


def _asked(folder: Path, process: Value, descriptors: Sequence[int]) -> socket.socket:
    """A connection on which the process's end will be told. Raises Refusal when it cannot be started."""
    connection = streams.connect(folder / "s")
    body = json.dumps({"verb": "exec", "process": process}).encode() + b"\n"
    sent = socket.send_fds(connection, [body], descriptors)
    connection.sendall(body[sent:])
    answer = _line(connection)
    if "started" not in answer:
        raise Refusal(str(answer.get("failed") or "the virtual machine has ended"))
    return connection


def _line(connection: socket.socket) -> Value:
    """The next answer; empty when the other side has gone."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            return {}
        line += byte
    answer: Value = json.loads(line)
    return answer


def _delete(folder: Path, options: dict[str, str]) -> int:
    pid = _pid(folder)
    if pid:
        if "force" not in options:
            raise Refusal("the container runs")
        os.kill(pid, signal.SIGKILL)
        give_up_at = time.monotonic() + _KILL_WAIT_S
        while _pid(folder) and time.monotonic() < give_up_at:
            time.sleep(0.01)
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _pid(folder: Path) -> int:
    """Of the shepherd, 0 when it has ended."""
    try:
        pid = int((folder / "pid").read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return pid if state != "Z" and folder.name in Path(f"/proc/{pid}/cmdline").read_text() else 0
    except (OSError, ValueError):
        return 0


def _freeze(folder: Path, options: dict[str, str], *, is_frozen: bool) -> int:
    groups = detect()
    spec = json.loads((folder / "bundle" / "config.json").read_text())
    group = spec["linux"]["cgroupsPath"]
    file = groups.file("freezer", group, "freezer.state")
    if file is not None and file.exists():
        file.write_text("FROZEN" if is_frozen else "THAWED")
    else:
        unified = groups.file("", group, "cgroup.freeze")
        if unified is None:
            raise Refusal("this machine has no freezer")
        unified.write_text("1" if is_frozen else "0")
    return 0


def _update(folder: Path, options: dict[str, str]) -> int:
    source = options["resources"]
    resources = json.loads(sys.stdin.read() if source == "-" else Path(source).read_text())
    cpu = resources.get("cpu") or {}
    if any((resources.get("memory") or {}).values()) or (resources.get("pids") or {}).get("limit"):
        raise Refusal("the memory and processes of a virtual machine are settled when it starts")
    spec = json.loads((folder / "bundle" / "config.json").read_text())
    quota, period = int(cpu.get("quota") or 0), int(cpu.get("period") or 100_000)
    limits = GroupLimits(int(cpu.get("shares") or 1024), max(0, quota), period)
    limit_blocking(detect(), spec["linux"]["cgroupsPath"], limits)
    return 0


_VERBS = {
    "create": _create,
    "start": _start,
    "exec": _exec,
    "delete": _delete,
    "pause": lambda folder, options: _freeze(folder, options, is_frozen=True),
    "resume": lambda folder, options: _freeze(folder, options, is_frozen=False),
    "update": _update,
}


def _parsed(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Options by name ("" for flags), and the words."""
    options: dict[str, str] = {}
    words: list[str] = []
    left = [_SHORT.get(argument, argument) for argument in arguments]
    while left:
        argument = left.pop(0)
        if not argument.startswith("--"):
            words.append(argument)
            continue
        name, equals, value = argument[2:].partition("=")
        options[name] = value if equals else left.pop(0) if name in _WITH_VALUE and left else ""
    return options, words
