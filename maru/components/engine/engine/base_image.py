"""An image out of this machine's own static busybox: something to run where no registry can be reached.

One uncompressed layer, written the same way from the same busybox every time, so its digest says which
busybox it holds. Source: the layout of Docker's official busybox image (applets in /bin, few folders).
"""

from __future__ import annotations

import asyncio
import io
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from maru.components.engine.engine.content import Content, Pin
from maru.components.engine.engine.oci import ENVIRONMENT, find_tool
from maru.components.engine.engine.transfer import Pulled
from maru.contracts.image_store import LOCAL_DOMAIN
from maru.core.errors import Unavailable
from maru.linux.processes import Command, run
from maru.wire.oci.digest import digest_of
from maru.wire.oci.manifest import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Platform

NAMES = (f"{LOCAL_DOMAIN}/base:latest", "docker.io/library/busybox:latest")
CREATED = "1970-01-01T00:00:00Z"
LIST_DEADLINE_S = 10.0
_VERSION = re.compile(rb"v(\d+\.\d+)\.\d+")

_FOLDERS = {
    "bin": 0o755,
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "lib": 0o755,
    "proc": 0o755,
    "root": 0o700,
    "sys": 0o755,
    "tmp": 0o1777,
    "usr": 0o755,
    "usr/bin": 0o755,
    "usr/sbin": 0o755,
    "var": 0o755,
    "var/spool": 0o755,
    "var/spool/mail": 0o755,
    "var/www": 0o755,
}
_USERS = """root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
"""
_GROUPS = """root:x:0:
daemon:x:1:
bin:x:2:
tty:x:5:
mail:x:8:
www-data:x:33:
nogroup:x:65534:
"""


async def names() -> Sequence[str]:
    """What the image is called unless told otherwise: latest, and busybox's own version (1.35 and 1.35.0).

    A tag that is not latest is pulled only when it is not there. Raises Unavailable when busybox is missing.
    """
    said = await run(Command([find_tool("busybox")], ENVIRONMENT), LIST_DEADLINE_S)
    version = _VERSION.search(said.output)
    if version is None:
        return NAMES
    whole, short = version[0][1:].decode(), version[1].decode()
    return (*NAMES, *(f"docker.io/library/busybox:{tag}" for tag in (short, whole)))


async def build(content: Content, platform: Platform, pin: Pin) -> Pulled:
    """Write layer, config and manifest. Raises Unavailable when busybox is missing or not static."""
    busybox = find_tool("busybox")
    listed = await run(Command([busybox, "--list"], ENVIRONMENT), LIST_DEADLINE_S)
    if listed.code != 0:
        raise Unavailable(what="busybox", why="it does not list its applets", fix="apt-get install busybox-static")
    applets = sorted(set(listed.output.decode().split()) - {"busybox"})
    layer = await asyncio.to_thread(_layer_blocking, Path(busybox), applets)
    diff_id = digest_of(layer)
    config = _config(platform, diff_id)
    config_digest = digest_of(config)
    manifest = _manifest(config_digest, len(config), diff_id, len(layer))
    manifest_digest = digest_of(manifest)
    pin(diff_id, config_digest, manifest_digest)
    for blob in (layer, config, manifest):
        await asyncio.to_thread(content.put_blocking, blob)
    await content.unpack(diff_id, diff_id)
    return Pulled(config_digest, manifest_digest, "", (config_digest, diff_id), (diff_id,), len(config) + len(layer))


def _layer_blocking(busybox: Path, applets: Sequence[str]) -> bytes:
    program = busybox.read_bytes()
    if b"ld-linux" in program[:4096]:  # the interpreter of a dynamic program stands in its first page
        raise Unavailable(what="busybox", why="it needs libraries", fix="apt-get install busybox-static")
    files = {"etc/passwd": _USERS.encode(), "etc/group": _GROUPS.encode(), "etc/nsswitch.conf": b"hosts: files dns\n"}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, mode in _FOLDERS.items():
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            tar.addfile(folder)
        _add_file(tar, "bin/busybox", 0o755, program)
        for applet in applets:
            _add_link(tar, f"bin/{applet}", "busybox")
        _add_link(tar, "usr/bin/env", "../../bin/busybox")
        for name, text in files.items():
            _add_file(tar, name, 0o644, text)
    return buffer.getvalue()


def _add_file(tar: tarfile.TarFile, name: str, mode: int, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = mode, len(content)
    tar.addfile(entry, io.BytesIO(content))


def _add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname = tarfile.SYMTYPE, 0o777, target
    tar.addfile(entry)


def _config(platform: Platform, diff_id: str) -> bytes:
    document = {
        "architecture": platform.architecture,
        "os": platform.os,
        "created": CREATED,
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["sh"],
        },
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": CREATED, "created_by": "busybox and its applets"}],
    }
    return msgspec.json.encode(document)


def _manifest(config_digest: str, config_bytes: int, layer_digest: str, layer_bytes: int) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": config_digest, "size": config_bytes},
        "layers": [{"mediaType": OCI_LAYER, "digest": layer_digest, "size": layer_bytes}],
    }
    return msgspec.json.encode(document)
