"""`maru up`: start, wait until ready, say what can be done now."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from maru.boot.processes import PROCESSES, layout
from maru.boot.site_file import Told, default_node_name, read, site, write
from maru.cli import local_http, supervised
from maru.cli.doctor import Finding, examine
from maru.cli.readiness import wait_ready
from maru.cli.terminal import BOLD, GREEN, colour, say
from maru.core.errors import Denied, MaruError, NotFound, Unavailable
from maru.core.site import Site

BASE_IMAGE = "busybox:latest"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", default="", metavar="A,B", help=f"only these components and what they stand on: {_names()}"
    )
    parser.add_argument("--port-offset", type=int, metavar="N", help="added to every port (0..50000)")
    parser.add_argument("--processes", choices=("many", "one"), default="many", help="all in one process, to debug")
    parser.add_argument("--foreground", action="store_true", help="stay, and stop Maru on Ctrl-C")


def run(arguments: argparse.Namespace) -> int:
    """Idempotent: a platform that runs is waited for and shown."""
    data_dir: Path = arguments.data_dir
    if os.geteuid() != 0:
        raise Denied(what="maru up", why="containers and networks need root", fix="run it as root: sudo maru up")
    began = time.monotonic()
    pid = 0
    if not supervised.is_running(data_dir):
        told = _told(arguments)
        write(data_dir, told)
        _refuse_if_unfit(site(data_dir, told))
        pid = supervised.start(data_dir, foreground=arguments.foreground)
    here = site(data_dir, read(data_dir))
    wait_ready(data_dir, began)
    if here.socket("engine").exists():
        _ensure_base_image(here)
    _show_what_to_try(here, time.monotonic() - began)
    return supervised.wait_interrupted(pid) if arguments.foreground and pid else 0


def _names() -> str:
    hidden = ("store", "remote", "informers")
    return ", ".join(part for parts in PROCESSES.values() for part in parts if part not in hidden)


def _told(arguments: argparse.Namespace) -> Told:
    """What the user says now, and what was said before where nothing is said."""
    try:
        before = read(arguments.data_dir)
    except NotFound:
        before = Told(node_name=default_node_name(), port_offset=0)
    offset = before.port_offset if arguments.port_offset is None else arguments.port_offset
    only = tuple(part.strip() for part in arguments.only.split(",") if part.strip())
    layout(one=False, only=only)
    return Told(node_name=before.node_name, port_offset=offset, processes_one=arguments.processes == "one", only=only)


def _refuse_if_unfit(here: Site) -> None:
    broken: list[Finding] = [finding for finding in examine(here) if finding.is_fatal]
    if broken:
        first = broken[0]
        raise Unavailable(what=first.what, why=first.why, fix=first.fix)


def _ensure_base_image(here: Site) -> None:
    engine = here.socket("engine")
    try:
        local_http.request(engine, "GET", f"/images/{BASE_IMAGE}/json").read()
    except Unavailable:
        raise
    except MaruError:
        for _ in local_http.lines(local_http.request(engine, "POST", "/maru/images/base")):
            continue
        say(f"  {colour('✓', GREEN)} image {BASE_IMAGE}, made from this machine's busybox")


def _show_what_to_try(here: Site, took_s: float) -> None:
    maru = Path(sys.argv[0])
    command = str(maru) if maru.name == "maru" else "maru"
    folder = "" if here.instance == "maru" else f" --data-dir {here.data_dir}"
    say()
    say(f"{colour('Maru is ready', BOLD)} after {took_s:.1f} s. To try it:")
    say()
    say(f'  eval "$({command} env{folder})"')
    say("  kubectl apply -f examples/hello/")
    say("  kubectl rollout status deploy/hello && kubectl get pods -o wide")
    say(f"  {command} status{folder}")
