"""What docker users wait for, side by side: Maru, Debian's dockerd and podman's service, in one run.

The docker command line (of podman its own) and the same API calls go to each; figures of the others are told as ratios.
"""

from __future__ import annotations

import http.client
import json
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from bench.docker_peers import Engine, installed, maru
from bench.platform import memory_mb
from bench.report import Say, Table

RUNS, EXECS, STARTS, CALLERS = 10, 20, 50, 16
DOCKERFILE = "FROM busybox\nENV A=1\nCOPY Dockerfile /d\nRUN echo one > /one\nRUN echo two > /two\nCMD cat /one\n"
Figures = dict[str, float]

# What is measured: its unit, digits and aim.
WHAT: Mapping[str, tuple[str, int, str]] = {
    "run --rm true, bridge": ("ms", 0, "140 ms"),
    "run --rm true, none": ("ms", 0, ""),
    f"{STARTS} starts by {CALLERS} callers": ("s", 2, "1.5 s"),
    "exec by API": ("ms", 1, "25 ms"),
    "first log byte": ("ms", 1, "4 ms"),
    "build of five steps, cold": ("ms", 0, ""),
    "build of five steps, cached": ("ms", 0, ""),
    "memory, idle": ("MB", 0, ""),
    "memory per container": ("MB", 2, ""),
}


def measure(say: Say) -> Sequence[Table]:
    """One table; a peer that is not installed has no column."""
    table = Table("Docker")
    with tempfile.TemporaryDirectory() as folder, maru() as engine:
        archive = Path(folder) / "busybox.tar"
        engine.docker("save", "-o", str(archive), "busybox:latest")
        ours = _figures(engine, say)
        theirs: dict[str, Figures] = {}
        for opened in installed():
            with opened() as peer:  # type: ignore[attr-defined]  # a context manager of Engine
                peer.docker("load", "-i", str(archive))
                theirs[peer.name] = _figures(peer, say)
    for what, (unit, digits, aim) in WHAT.items():
        others = [f"{name} {_ratio(figures, ours, what)}" for name, figures in theirs.items() if what in figures]
        table.add(what, f"{ours[what]:.{digits}f} {unit}", aim, ", ".join(others))
    return [table]


def _ratio(theirs: Figures, ours: Figures, what: str) -> str:
    unit, digits, _ = WHAT[what]
    return f"{theirs[what]:.{digits}f} {unit} ({theirs[what] / ours[what]:.1f}x)"


def _figures(engine: Engine, say: Say) -> Figures:
    figures: Figures = {"memory, idle": sum(memory_mb(pid) for pid in engine.pids())}
    steps: Sequence[Callable[[Engine, Figures], None]] = (_runs, _starts, _execs, _builds)
    for step in steps:
        say(f"{engine.name}{step.__name__.replace('_', ' ')}")
        try:
            step(engine, figures)
        except RuntimeError as error:  # what a peer cannot do has no figure
            print(f"\n{error}", file=sys.stderr)
    return figures


def _runs(engine: Engine, figures: Figures) -> None:
    for network in ("none", "bridge"):
        command = ("run", "--rm", "--network", network, "busybox", "true")
        engine.docker(*command)
        figures[f"run --rm true, {network}"] = _median_ms(lambda given=command: engine.docker(*given), RUNS)  # type: ignore[misc]


def _starts(engine: Engine, figures: Figures) -> None:
    before = _holders_mb(engine)

    def start(number: int) -> None:
        line = _Line(engine.socket)
        body = {"Image": "busybox", "Cmd": ["sleep", "600"]}
        made = line.ask("POST", f"/containers/create?name=bench{number}", body)
        line.ask("POST", f"/containers/{json.loads(made)['Id']}/start")

    begun = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(start, range(STARTS)))
    figures[f"{STARTS} starts by {CALLERS} callers"] = time.perf_counter() - begun
    figures["memory per container"] = (_holders_mb(engine) - before) / STARTS
    engine.docker("rm", "-f", *engine.docker("ps", "-aq").split())


def _execs(engine: Engine, figures: Figures) -> None:
    engine.docker("run", "-d", "--name", "talk", "busybox", "sh", "-c", "echo hello; exec sleep 600")
    line = _Line(engine.socket)

    def execute() -> None:
        made = line.ask("POST", "/containers/talk/exec", {"Cmd": ["true"], "AttachStdout": True})
        line.ask("POST", f"/exec/{json.loads(made)['Id']}/start", {"Detach": False, "Tty": False})

    def read() -> None:
        other = _Line(engine.socket)
        other.first_byte("/containers/talk/logs?stdout=1&follow=1")

    execute()
    figures["exec by API"] = _median_ms(execute, EXECS)
    figures["first log byte"] = _median_ms(read, EXECS)
    engine.docker("rm", "-f", "talk")


def _builds(engine: Engine, figures: Figures) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Dockerfile").write_text(DOCKERFILE)
        for what, more in (("cold", ("--no-cache",)), ("cached", ())):
            figures[f"build of five steps, {what}"] = _median_ms(
                lambda given=more: engine.docker("build", *given, "-t", "bench", ".", folder=folder),  # type: ignore[misc]
                3,
            )


class _Line(http.client.HTTPConnection):
    """HTTP over the engine's socket; connects anew when it was closed."""

    def __init__(self, path: str) -> None:
        super().__init__("docker")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        """The body of an answer. Raises RuntimeError for an error."""
        text = json.dumps(body) if body is not None else ""
        self.request(method, path, text, {"Content-Type": "application/json"})
        answer = self.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {content.decode()}")
        return content

    def first_byte(self, path: str) -> None:
        """Wait for it, then hang up."""
        self.request("GET", path)
        self.getresponse().read(1)
        self.close()


def _median_ms(work: Callable[[], object], count: int) -> float:
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


def _holders_mb(engine: Engine) -> float:
    found = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            if (folder / "comm").read_text().startswith(engine.holder[:15]):
                found += memory_mb(int(folder.name))
    return found
