"""`maru up`: start, wait until ready, say what can be done now."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from maru.boot.processes import PROCESSES, layout
from maru.boot.settings import settings_of
from maru.boot.site_file import (
    FILE,
    SLOTS,
    Told,
    check,
    default_node_name,
    first_slot,
    make_folder,
    read,
    site,
    write,
)
from maru.cli import local_http, supervised
from maru.cli.doctor import are_ranges_free, examine
from maru.cli.readiness import wait_ready
from maru.cli.terminal import BOLD, GREEN, colour, say
from maru.core.errors import Conflict, Denied, MaruError, NotFound, Unavailable
from maru.core.site import Site

BASE_IMAGE = "busybox:latest"
OWN_PARTS = ("store", "remote", "informers")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", metavar="A,B", help=f"only these components and what they stand on ('all' for all): {_names()}"
    )
    parser.add_argument("--port-offset", type=int, metavar="N", help="added to every port (0..50000)")
    parser.add_argument("--processes", choices=("many", "one"), help="all in one process, to debug")
    parser.add_argument(
        "--test-hooks",
        action=argparse.BooleanOptionalAction,
        help="for suites of clients: POST /moto-api/reset forgets all of AWS, well-known keys are root's",
    )
    parser.add_argument("--foreground", action="store_true", help="stay, and stop Maru on Ctrl-C; workloads go on")


def run(arguments: argparse.Namespace) -> int:
    """Idempotent: a platform that runs as said is shown, one that runs otherwise is started anew.

    What is not said now holds as it was said before.
    """
    data_dir: Path = arguments.data_dir
    if os.geteuid() != 0:
        raise Denied(what="maru up", why="containers and networks need root", fix="run it as root: sudo maru up")
    began = time.monotonic()
    is_first = not (data_dir / FILE).exists()
    check(data_dir, _told(arguments))
    settings_of(data_dir)
    made = _missing_of(data_dir)
    make_folder(data_dir)
    try:
        with supervised.at_work(data_dir, "up"):
            # Asked again: another start may have written it while this one waited.
            pid = _ensure_started(arguments, _told(arguments), began)
    except MaruError:
        if is_first:
            _unmake(data_dir, made)
        raise
    here = site(data_dir, read(data_dir))
    _show_what_to_try(here, time.monotonic() - began, is_new=pid > 0)
    if not arguments.foreground:
        return 0
    code = supervised.wait_interrupted(pid)
    say(f"Maru has stopped; its workloads go on. `maru down{supervised.folder_option(data_dir)}` ends them.")
    return code


def _ensure_started(arguments: argparse.Namespace, told: Told, began: float) -> int:
    """Answers the new supervisor's pid, 0 when one ran already."""
    data_dir: Path = arguments.data_dir
    pid = 0
    is_running = supervised.is_running(data_dir)
    if is_running and arguments.foreground:
        fix = f"run `maru down{supervised.folder_option(data_dir)}` first"
        raise Conflict(what="maru up --foreground", why="Maru runs already in the background", fix=fix)
    if is_running and told != read(data_dir):
        say("Maru runs with other options: it starts anew, its workloads keep running.")
        supervised.stop(data_dir)
        is_running = False
    if not is_running:
        if not (data_dir / FILE).exists():
            told = msgspec.structs.replace(told, slot=_free_slot(data_dir, told))
        _refuse_if_unfit(site(data_dir, told))
        supervised.stop(data_dir)  # what a supervisor that was killed left
        write(data_dir, told)
        pid = supervised.start(data_dir, foreground=arguments.foreground)
    else:
        supervised.ask(data_dir, "hasten")  # what failed before may be mended now
    here = site(data_dir, told)
    had_network = _has_network(here)
    try:
        wait_ready(data_dir, began, is_quiet=not pid)
        if here.socket("docker").exists():
            _ensure_base_image(here)
    except BaseException:
        if pid:
            with suppress(MaruError):  # what went wrong first is what a person must hear of
                _take_back(data_dir, is_all=not had_network)
        raise
    return pid


def _take_back(data_dir: Path, *, is_all: bool) -> None:
    """End what was started; is_all: no platform stood here before, so nothing of it is wanted."""
    supervised.stop(data_dir)
    if is_all:
        supervised.tear_down(data_dir)


def _has_network(here: Site) -> bool:
    """Whether a platform stands here, with or without Maru's processes."""
    return Path("/sys/class/net", here.bridge).exists()


def _names() -> str:
    return ", ".join(dict.fromkeys(part for parts in PROCESSES.values() for part in parts if part not in OWN_PARTS))


def _told(arguments: argparse.Namespace) -> Told:
    """What the user says now, and what was said before where nothing is said."""
    try:
        told = read(arguments.data_dir)
    except NotFound:
        told = Told(node_name=default_node_name(), port_offset=0)
    if arguments.port_offset is not None:
        told = msgspec.structs.replace(told, port_offset=arguments.port_offset)
    if arguments.processes is not None:
        told = msgspec.structs.replace(told, processes_one=arguments.processes == "one")
    if arguments.test_hooks is not None:
        told = msgspec.structs.replace(told, test_hooks=arguments.test_hooks)
    if arguments.only is not None:
        only = tuple(part.strip() for part in arguments.only.split(",") if part.strip())
        told = msgspec.structs.replace(told, only=() if only == ("all",) else only)
    layout(one=False, only=told.only)
    return told


def _free_slot(data_dir: Path, told: Told) -> int:
    """The first address ranges, from those the folder's name points to, that nothing else here uses."""
    first = first_slot(data_dir)
    slots: list[int] = [*range(first, SLOTS), *range(first)]
    for slot in slots:
        if are_ranges_free(site(data_dir, msgspec.structs.replace(told, slot=slot))):
            return slot
    return first


def _refuse_if_unfit(here: Site) -> None:
    for finding in examine(here):
        if finding.is_fatal:
            raise Unavailable(what=finding.what, why=finding.why, fix=finding.fix)


def _missing_of(data_dir: Path) -> list[Path]:
    """The folders that are not there yet, innermost first."""
    return [path for path in (data_dir / "run", data_dir, *data_dir.parents) if not path.exists()]


def _unmake(data_dir: Path, made: list[Path]) -> None:
    """A first start that failed before it began leaves nothing behind; one that began is kept for its logs."""
    if (data_dir / FILE).exists():
        return
    (data_dir / supervised.COMMAND_LOCK).unlink(missing_ok=True)
    for path in made:
        with suppress(OSError):  # somebody put something there
            path.rmdir()


def _ensure_base_image(here: Site) -> None:
    engine = here.socket("docker")
    try:
        local_http.request(engine, "GET", f"/images/{BASE_IMAGE}/json").read()
    except Unavailable:
        raise
    except MaruError:
        for _ in local_http.lines(local_http.request(engine, "POST", "/maru/images/base")):
            continue
        say(f"  {colour('✓', GREEN)} image {BASE_IMAGE}, made from this machine's busybox")


def _show_what_to_try(here: Site, took_s: float, *, is_new: bool) -> None:
    maru = Path(sys.argv[0])
    command = str(maru) if maru.name == "maru" else "maru"
    folder = supervised.folder_option(here.data_dir)
    if not is_new:
        say(f"Maru runs already. {command} status{folder} shows it, {command} restart{folder} starts it anew.")
        return
    say()
    say(f"{colour('Maru is ready', BOLD)} after {took_s:.1f} s. To try it:")
    say()
    say(f'  eval "$({command} env{folder})"')
    say("  kubectl apply -f examples/hello/")
    say("  kubectl rollout status deploy/hello && kubectl get pods -o wide")
    say(f"  {command} status{folder}")
