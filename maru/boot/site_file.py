"""The site on disk: what `maru up` was told, so that every later command knows ports and names.

`<data-dir>/site.json` is written by `maru up` and read by every worker and every other command.
"""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import msgspec

from maru.core.errors import Invalid, NotFound
from maru.core.site import DEFAULT_DATA_DIR, Site

FILE = "site.json"
OFFSET_MAX = 50_000


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in the file. Names and address ranges follow from the folder, see `site`."""

    node_name: str
    port_offset: int
    processes_one: bool = False
    only: tuple[str, ...] = ()


def write(data_dir: Path, told: Told) -> None:
    """Keep what the user said. Raises Invalid for an offset out of 0..50000."""
    if not 0 <= told.port_offset <= OFFSET_MAX:
        raise Invalid(
            what=f"port offset {told.port_offset}", why=f"it must lie in 0..{OFFSET_MAX}", fix="choose a smaller one"
        )
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o711)
    (data_dir / "run").mkdir(exist_ok=True, mode=0o700)
    (data_dir / FILE).write_bytes(msgspec.json.encode(told))


def read(data_dir: Path) -> Told:
    """What stands there. Raises NotFound when nothing was ever started in the folder."""
    path = data_dir / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Told)
    except FileNotFoundError as error:
        raise NotFound(
            what=f"a Maru platform in {data_dir}", why="it has never been started there", fix="run `maru up`"
        ) from error


def site(data_dir: Path, told: Told) -> Site:
    """The site of a folder: the default one has the well-known names and ranges, others their own."""
    if data_dir == DEFAULT_DATA_DIR:
        return Site(data_dir=data_dir, node_name=told.node_name, port_offset=told.port_offset)
    digest = hashlib.sha256(str(data_dir).encode()).digest()
    block, quarter = digest[0] % 28, digest[1] % 4 * 64  # 112 slots of 16,384 addresses each
    return Site(
        data_dir=data_dir,
        node_name=told.node_name,
        port_offset=told.port_offset,
        instance=f"maru-{digest[:3].hex()}",
        bridge=f"maru{digest[:3].hex()}",
        pod_cidr=f"10.{160 + block}.{quarter}.0/18",
        service_cidr=f"10.{66 + block}.{quarter}.0/18",
        cluster_dns_ip=f"10.{66 + block}.{quarter}.10",
    )


def default_node_name() -> str:
    """The machine's name as a DNS label."""
    name = socket.gethostname().split(".")[0].lower()
    return "".join(letter if letter.isalnum() else "-" for letter in name).strip("-")[:63] or "maru"
