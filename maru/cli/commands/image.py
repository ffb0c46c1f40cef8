"""`maru image`: what images are here, and how to get more: build-base, pull, load, save, tag, rm."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

from maru.boot.site_file import read, site
from maru.cli import local_http
from maru.cli.terminal import mebibytes, say, table
from maru.core.document import Value
from maru.core.errors import MaruError, NotFound


def add(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("ls", help="the images that are here")
    listing.add_argument("-o", "--output", choices=("table", "json"), default="table")
    base = actions.add_parser("build-base", help="make a busybox image from this machine's busybox-static")
    base.add_argument("-t", "--tag", action="append", default=[], help="a name for it; may be repeated")
    pull = actions.add_parser("pull", help="fetch an image from a registry")
    pull.add_argument("reference")
    load = actions.add_parser("load", help="import a docker archive or an OCI layout (tar)")
    load.add_argument("archive", type=Path)
    save = actions.add_parser("save", help="write images as one archive")
    save.add_argument("reference")
    save.add_argument("-f", "--file", type=Path, required=True)
    tag = actions.add_parser("tag", help="give an image another name")
    tag.add_argument("source")
    tag.add_argument("target")
    remove = actions.add_parser("rm", help="remove a name, and the image with its last one")
    remove.add_argument("reference")


def run(arguments: argparse.Namespace) -> int:
    """Raises what the engine answers, Unavailable when Maru is down."""
    engine = site(arguments.data_dir, read(arguments.data_dir)).socket("docker")
    actions = {
        "ls": _list,
        "build-base": _build_base,
        "pull": _pull,
        "load": _load,
        "save": _save,
        "tag": _tag,
        "rm": _remove,
    }
    actions[arguments.action](engine, arguments)
    return 0


def _list(engine: Path, arguments: argparse.Namespace) -> None:
    images = msgspec.json.decode(local_http.request(engine, "GET", "/images/json").read())
    if arguments.output == "json":
        say(msgspec.json.encode(images).decode())
        return
    rows = [
        (name, image["Id"].removeprefix("sha256:")[:12], mebibytes(image["Size"]))
        for image in images
        for name in image.get("RepoTags") or ["<none>"]
    ]
    say(table(("IMAGE", "ID", "SIZE"), rows))


def _build_base(engine: Path, arguments: argparse.Namespace) -> None:
    query = "&".join(f"tag={quote(tag, safe='')}" for tag in arguments.tag)
    _follow(local_http.lines(local_http.request(engine, "POST", f"/maru/images/base?{query}")))


def _pull(engine: Path, arguments: argparse.Namespace) -> None:
    target = f"/images/create?fromImage={quote(arguments.reference, safe='')}"
    _follow(local_http.lines(local_http.request(engine, "POST", target)))


def _load(engine: Path, arguments: argparse.Namespace) -> None:
    try:
        archive = arguments.archive.open("rb")
    except OSError as error:
        raise NotFound(what=str(arguments.archive), why=error.strerror or str(error), fix="check the path") from error
    with archive:
        _follow(local_http.lines(local_http.request(engine, "POST", "/images/load", archive)))


def _save(engine: Path, arguments: argparse.Namespace) -> None:
    answer = local_http.request(engine, "GET", f"/images/{quote(arguments.reference, safe='')}/get")
    with arguments.file.open("wb") as file:
        while chunk := answer.read(local_http.CHUNK_BYTES):
            file.write(chunk)


def _tag(engine: Path, arguments: argparse.Namespace) -> None:
    repository, _, tag = arguments.target.rpartition(":")
    if not repository or "/" in tag:
        repository, tag = arguments.target, "latest"
    query = f"repo={quote(repository, safe='')}&tag={quote(tag, safe='')}"
    local_http.request(engine, "POST", f"/images/{quote(arguments.source, safe='')}/tag?{query}").read()


def _remove(engine: Path, arguments: argparse.Namespace) -> None:
    answer = local_http.request(engine, "DELETE", f"/images/{quote(arguments.reference, safe='')}")
    for step in msgspec.json.decode(answer.read()):
        say(f"untagged {step['Untagged']}" if "Untagged" in step else f"deleted {step['Deleted']}")


def _follow(steps: Iterator[Value]) -> None:
    """Show progress; a terminal sees one moving line per layer, a file one line per change."""
    last = ""
    for step in steps:
        if "error" in step:
            raise MaruError(what="the engine", why=str(step["error"]))
        text = str(step.get("stream") or " ".join(str(step[key]) for key in ("id", "status") if step.get(key))).strip()
        progress = step.get("progressDetail") or {}
        if progress.get("total") and sys.stdout.isatty():
            share = progress.get("current", 0) / progress["total"]
            sys.stdout.write(f"\r\x1b[K{text} {share:4.0%}")
            sys.stdout.flush()
        elif text and text != last:
            sys.stdout.write("\r\x1b[K" if sys.stdout.isatty() else "")
            say(text)
            last = text
