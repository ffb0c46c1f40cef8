"""The process that a container's holder holds when the container is a virtual machine.

It keeps qemu and virtiofsd, which die with it; carries output, input, signals and the exit code between
holder and guest; and answers on a socket: start, and processes to run beside the container. A request is
one line of JSON, with the descriptors of a process's streams; its answers are lines of JSON.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from maru.components.engine.engine.vm import streams
from maru.components.engine.engine.vm.guest import BUSY, SLOTS
from maru.components.engine.engine.vm.machine import Build, file_server_command, machine_command
from maru.components.engine.model.guest import process_in_guest
from maru.linux.private_mounts import die_with_parent

if TYPE_CHECKING:
    from maru.core.document import Value

BOOT_DEADLINE_S = 25.0
COME_UP_S = 10.0
SLOT_WAIT_S = 20.0
CONSOLE_BYTES_KEPT = 4096
OUTPUT_WAIT_S = 10.0
REQUEST_BYTES_MAX = 1 << 20
GONE = 137
FORWARDED = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGWINCH})


@dataclass(slots=True)
class Run:
    """A process in the guest. answers: what has become of it, in order; outputs: the threads that carry its output."""

    slot: int
    is_terminal: bool
    outputs: list[threading.Thread] = field(default_factory=list)
    answers: list[Value] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def tell(self, answer: Value) -> None:
        """Add to what has become of it."""
        with self.changed:
            self.answers.append(answer)
            self.changed.notify_all()

    def wait(self, number: int, limit_s: float | None) -> Value | None:
        """Its answer of that number, None if it does not come in time."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.answers) > number, limit_s)
            return self.answers[number] if len(self.answers) > number else None


class Shepherd:
    """One machine. main: the descriptors of the container's input, output and error; a terminal is one for all."""

    def __init__(self, build: Build, main: tuple[int, int, int], *, is_terminal: bool) -> None:
        self._build = build
        self._main = main
        self._is_terminal = is_terminal
        self._ready = threading.Event()
        self._running: dict[int, Run] = {}
        self._free = list(range(1, SLOTS))
        self._slots = threading.Condition()
        self._writing = threading.Lock()
        self._console = b""
        self._processes: list[subprocess.Popen[bytes]] = []
        self._files = 0
        self._control: socket.socket
        self._listener: socket.socket

    def boot(self) -> None:
        """Start the machine; it comes up while this returns. Raises OSError with what it said."""
        folder = self._build.folder
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "s"))
        self._listener.listen(64)
        self._spawn(list(file_server_command(folder)), folder / "v")
        self._spawn(list(machine_command(self._build)), folder / "t0")
        for descriptor, _ in self._build.taps:
            os.close(descriptor)
        self._control = streams.connect(folder / "c")

    def tend(self) -> int:
        """Serve until the container has ended: its exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {*FORWARDED, signal.SIGWINCH})
        streams.start(self._keep_console, "console")
        streams.start(self._listen, "requests")
        streams.start(self._follow_signals, "signals")
        with self._control.makefile("rb") as lines:
            for line in lines:
                code = self._heard(line.decode(errors="replace").split(maxsplit=2))
                if code is not None:
                    return code
        self._say_console()
        return GONE

    def end(self) -> None:
        """Take the machine away."""
        for process in reversed(self._processes):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()

    def _spawn(self, command: list[str], socket_path: Path) -> None:
        taps = [descriptor for descriptor, _ in self._build.taps]
        with (self._build.folder / "said").open("wb") as said:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=taps,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - no thread runs yet
            )
        self._processes.append(process)
        give_up_at = time.monotonic() + COME_UP_S
        while not socket_path.exists():
            if process.poll() is not None or time.monotonic() > give_up_at:
                words = (self._build.folder / "said").read_text(errors="replace").strip().splitlines()
                raise OSError(f"{Path(command[0]).name} does not start: {words[-1] if words else 'it said nothing'}")
            time.sleep(0.005)

    def _heard(self, words: list[str]) -> int | None:
        """Deal with a line of the guest; the exit code when it was that of the container."""
        verb, slot = words[0], int(words[1]) if len(words) > 1 else 0
        run = self._running.get(slot)
        if verb == "ready":
            self._ready.set()
        elif verb == "oom":
            (self._build.folder / "bundle" / "oom").touch()
        elif verb == "started" and run is not None:
            run.tell({"started": True})
        elif verb == "failed" and run is not None:
            run.tell({"failed": words[2].strip() if len(words) > 2 else "it gave no reason"})
        elif verb == "exit" and run is not None:
            for thread in run.outputs:
                thread.join(OUTPUT_WAIT_S)
            code = int(words[2])
            if slot == 0:
                return code
            if not run.answers:
                run.tell({"started": True})
            run.tell({"exit": code})
        return None

    def _say(self, *words: object) -> None:
        with self._writing, contextlib.suppress(OSError):
            self._control.sendall(" ".join(map(str, words)).encode() + b"\n")

    def _begin(self, run: Run, descriptors: tuple[int, int, int], file: str) -> None:
        """Connect the streams, then have the guest start the process."""
        folder, slot = self._build.folder, run.slot
        self._running[slot] = run
        token = secrets.token_hex(16)
        reads, has_input = descriptors[0], not _is_null(descriptors[0])
        if run.is_terminal:
            port = streams.connect(folder / f"t{slot}")
            run.outputs = [streams.start(lambda: streams.pour_out(port, descriptors[1], token.encode()), "terminal")]
            streams.start(lambda: streams.pour_in(reads, port), "typed")
        else:
            for kind, descriptor in zip("oe", descriptors[1:], strict=True):
                run.outputs.append(self._pour(folder / f"{kind}{slot}", descriptor, token.encode()))
            if has_input:
                entry = streams.connect(folder / f"i{slot}")
                entry.sendall(streams.GO)
                streams.start(lambda: streams.pour_in(reads, entry), "input")
        self._say("exec" if file else "run", slot, token, int(run.is_terminal), int(has_input), file or "-")

    def _pour(self, path: Path, descriptor: int, token: bytes) -> threading.Thread:
        port = streams.connect(path)

        def pour() -> None:
            with port:
                streams.pour_out(port, descriptor, token)

        return streams.start(pour, path.name)

    def _listen(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            streams.start(lambda connection=connection: self._answer(connection), "request")  # type: ignore[misc]

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            request, descriptors = _receive(connection)
            if not self._ready.wait(BOOT_DEADLINE_S):
                _send(
                    connection,
                    {"failed": f"the virtual machine did not come up in {BOOT_DEADLINE_S:g} s{self._last_words()}"},
                )
            elif request.get("verb") == "start":
                _send(connection, self._start())
            else:
                self._exec(connection, request, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)

    def _start(self) -> Value:
        run = Run(0, self._is_terminal)
        self._begin(run, self._main, "")
        if self._is_terminal:
            self._tell_size(0, self._main[0])
        return run.wait(0, BOOT_DEADLINE_S) or {"failed": f"the container did not start in time{self._last_words()}"}

    def _exec(self, connection: socket.socket, request: Value, descriptors: list[int]) -> None:
        """Run a process beside the container and tell its end; it is killed when whoever asked goes."""
        is_terminal = bool(request["process"].get("terminal"))
        self._files += 1
        file = f"exec-{self._files}.json"
        path = self._build.folder / "share" / "config" / file
        path.write_text(json.dumps(process_in_guest(request["process"])))
        streams_of = (descriptors * 3)[:3] if is_terminal else descriptors[:3]
        try:
            for _ in range(SLOTS):
                slot = self._take_slot()
                if slot is None:
                    _send(connection, {"failed": f"{SLOTS - 1} processes run beside the container already"})
                    return
                run = Run(slot, is_terminal)
                self._begin(run, (streams_of[0], streams_of[1], streams_of[2]), file)
                first = run.wait(0, BOOT_DEADLINE_S) or {"failed": "it did not start in time"}
                if BUSY in str(first.get("failed", "")):
                    self._give_slot(slot)
                    continue
                _send(connection, first)
                if "started" in first:
                    streams.start(lambda run=run: self._mind(connection, run), "caller")  # type: ignore[misc]
                    _send(connection, run.wait(1, None) or {})
                self._give_slot(slot)
                return
            _send(connection, {"failed": BUSY})
        finally:
            path.unlink(missing_ok=True)

    def _mind(self, connection: socket.socket, run: Run) -> None:
        """Sizes of the caller's terminal go to the guest; a caller that goes takes its process along."""
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                rows, columns = json.loads(line)["size"]
                self._say("size", run.slot, rows, columns)
        if self._running.get(run.slot) is run and run.wait(1, 0) is None:
            self._say("kill", run.slot, int(signal.SIGKILL))

    def _take_slot(self) -> int | None:
        with self._slots:
            self._slots.wait_for(lambda: bool(self._free), SLOT_WAIT_S)
            return self._free.pop(0) if self._free else None

    def _give_slot(self, slot: int) -> None:
        with self._slots:
            self._free.append(slot)
            self._slots.notify()

    def _follow_signals(self) -> None:
        while True:
            number = signal.sigwait({*FORWARDED, signal.SIGWINCH})
            if number == signal.SIGWINCH and self._is_terminal:
                self._tell_size(0, self._main[0])
            elif 0 in self._running:
                self._say("kill", 0, int(number))

    def _tell_size(self, slot: int, terminal: int) -> None:
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(terminal)
            if size.lines and size.columns:
                self._say("size", slot, size.lines, size.columns)

    def _keep_console(self) -> None:
        with contextlib.suppress(OSError), streams.connect(self._build.folder / "k") as console:
            while chunk := console.recv(CONSOLE_BYTES_KEPT):
                self._console = (self._console + chunk)[-CONSOLE_BYTES_KEPT:]

    def _last_words(self) -> str:
        lines = self._console.decode(errors="replace").strip().splitlines()
        return f"; its console says: {lines[-1]}" if lines else ""

    def _say_console(self) -> None:
        """The machine went down under the container: its last words go where errors go."""
        words = self._console or b"it said nothing"
        with contextlib.suppress(OSError):
            os.write(self._main[2], b"the virtual machine ended: " + words.strip().replace(b"\r", b"") + b"\n")


def _is_null(descriptor: int) -> bool:
    return os.fstat(descriptor).st_rdev == os.makedev(1, 3)


def _send(connection: socket.socket, answer: Value) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(answer).encode() + b"\n")


def _receive(connection: socket.socket) -> tuple[Value, list[int]]:
    """A request and the descriptors that came with its first bytes."""
    descriptors: list[int] = []
    line = b""
    while not line.endswith(b"\n") and len(line) < REQUEST_BYTES_MAX:
        chunk, ancillary, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(3 * 4))
        if not chunk:
            break
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i")
                numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                descriptors += numbers
        line += chunk
    return json.loads(line or b"{}"), descriptors
