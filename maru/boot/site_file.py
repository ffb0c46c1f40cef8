"""The site on disk: what `maru up` was told, so that every later command knows ports and names.

`<data-dir>/site.json` is written by `maru up` and read by every worker and every other command.
"""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import msgspec

from maru.core.errors import Broken, Denied, Invalid, NotFound, Unavailable
from maru.core.site import DEFAULT_DATA_DIR, Site

FILE = "site.json"
OFFSET_MAX = 50_000
SLOTS = 112  # address ranges for platforms beside the default one: 16,384 addresses each
LONGEST_SOCKET = "run/supervisor.sock"
UNIX_PATH_BYTES_MAX = 107  # sockaddr_un.sun_path less its closing zero; source: unix(7)


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in the file. slot: 0..111, which address ranges are this folder's; -1: by its name."""

    node_name: str
    port_offset: int
    processes_one: bool = False
    only: tuple[str, ...] = ()
    slot: int = -1
    test_hooks: bool = False


def check(data_dir: Path, told: Told) -> None:
    """Raises Invalid for an offset out of 0..50000, and for a folder whose sockets would have too long a path."""
    if not 0 <= told.port_offset <= OFFSET_MAX:
        raise Invalid(
            what=f"port offset {told.port_offset}",
            why=f"it must lie in 0..{OFFSET_MAX}",
            fix="give one of those: maru up --port-offset 1000",
        )
    length = len(os.fsencode(data_dir / LONGEST_SOCKET))
    if length > UNIX_PATH_BYTES_MAX:
        longest = UNIX_PATH_BYTES_MAX - len(LONGEST_SOCKET) - 1
        raise Invalid(
            what=f"data folder {data_dir}",
            why=f"unix sockets in it would have paths of {length} bytes, Linux allows {UNIX_PATH_BYTES_MAX}",
            fix=f"choose a folder of at most {longest} bytes: maru up --data-dir /srv/maru",
        )


def make_folder(data_dir: Path) -> None:
    """The folder and its `run`. Raises Denied or Unavailable when the file system refuses."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o711)
        (data_dir / "run").mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise _refused(data_dir, error) from error


def write(data_dir: Path, told: Told) -> None:
    """Keep what the user said, whole or not at all. Raises as `check` and `make_folder` do."""
    check(data_dir, told)
    make_folder(data_dir)
    draft = data_dir / f".{FILE}.new"
    try:
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(told))
            file.flush()
            os.fchmod(file.fileno(), 0o644)  # whatever the shell's umask
            os.fsync(file.fileno())
        draft.replace(data_dir / FILE)
    except OSError as error:
        raise _refused(data_dir, error) from error


def read(data_dir: Path) -> Told:
    """What stands there. Raises NotFound when nothing was ever started in the folder, Broken, Denied."""
    path = data_dir / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Told)
    except (FileNotFoundError, NotADirectoryError) as error:
        fix = "run `maru up`" if data_dir == DEFAULT_DATA_DIR else f"run `maru up --data-dir {data_dir}`"
        raise NotFound(what=f"a Maru platform in {data_dir}", why="it has never been started there", fix=fix) from error
    except OSError as error:
        raise Denied(what=str(path), why=error.strerror or str(error), fix="run it as root: sudo maru ...") from error
    except msgspec.DecodeError as error:
        raise Broken(
            what=str(path), why=f"it is damaged: {error}", fix=f"rm {path}, then maru up with the options you had"
        ) from error


def site(data_dir: Path, told: Told) -> Site:
    """The site of a folder: the default one has the well-known names and ranges, others their own."""
    if data_dir == DEFAULT_DATA_DIR:
        return Site(
            data_dir=data_dir,
            node_name=told.node_name,
            port_offset=told.port_offset,
            has_test_hooks=told.test_hooks,
        )
    digest = hashlib.sha256(str(data_dir).encode()).digest()
    block, quarter = (digest[0] % 28, digest[1] % 4) if told.slot < 0 else divmod(told.slot, 4)
    third = quarter * 64
    return Site(
        data_dir=data_dir,
        node_name=told.node_name,
        port_offset=told.port_offset,
        instance=f"maru-{digest[:3].hex()}",
        bridge=f"maru{digest[:3].hex()}",
        pod_cidr=f"10.{160 + block}.{third}.0/18",
        service_cidr=f"10.{66 + block}.{third}.0/18",
        container_cidr=f"10.{100 + block}.{third}.0/18",
        cluster_dns_ip=f"10.{66 + block}.{third}.10",
        has_test_hooks=told.test_hooks,
    )


def first_slot(data_dir: Path) -> int:
    """The slot that a folder's name points to: where the search for a free one begins."""
    return int.from_bytes(hashlib.sha256(str(data_dir).encode()).digest()[:4]) % SLOTS


def default_node_name() -> str:
    """The machine's name as a DNS label."""
    name = socket.gethostname().split(".")[0].lower()
    return "".join(letter if letter.isalnum() else "-" for letter in name).strip("-")[:63] or "maru"


def _refused(data_dir: Path, error: OSError) -> Unavailable:
    return Unavailable(
        what=f"data folder {data_dir}",
        why=error.strerror or str(error),
        fix="make it writable, free space on it, or choose another: maru up --data-dir DIR",
    )
