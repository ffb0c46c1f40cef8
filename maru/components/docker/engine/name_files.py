"""hosts, hostname and resolv.conf of a container: files of ours that it may write to.

Source: hosts(5), resolv.conf(5); moby libnetwork etchosts, resolvconf.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = ("hosts", "hostname", "resolv.conf")
HOST_GATEWAY = "host-gateway"

_LOOPBACK = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


@dataclass(frozen=True, slots=True)
class Names:
    """hostname: with the domain if there is one, short name behind it. addresses: the container's own.

    extra: (name, address); gateway: what host-gateway stands for. resolvers: nameserver lines.
    """

    hostname: str
    addresses: Sequence[str]
    extra: Sequence[tuple[str, str]]
    gateway: str
    resolvers: Sequence[str]
    search: Sequence[str]
    options: Sequence[str]
    is_host_network: bool


def write_blocking(folder: Path, names: Names) -> None:
    """Write all three. In place: what is mounted in a container must stay the same file."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    (folder / "hostname").write_text(f"{names.hostname.split(' ')[-1]}\n")
    (folder / "hosts").write_text(_hosts(names))
    (folder / "resolv.conf").write_text(_resolv(names))
    for name in NAMES:
        (folder / name).chmod(0o644)


def _hosts(names: Names) -> str:
    text = _LOOPBACK
    if names.is_host_network:
        with contextlib.suppress(OSError):
            text = Path("/etc/hosts").read_text()
    for name, address in names.extra:
        text += f"{names.gateway if address == HOST_GATEWAY else address}\t{name}\n"
    for address in names.addresses:
        text += f"{address}\t{names.hostname}\n"
    return text


def _resolv(names: Names) -> str:
    if names.is_host_network and not (names.search or names.options):
        with contextlib.suppress(OSError):
            return Path("/etc/resolv.conf").read_text()
    lines = [f"nameserver {address}" for address in names.resolvers]
    if names.search:
        lines.append(f"search {' '.join(names.search)}")
    if names.options:
        lines.append(f"options {' '.join(names.options)}")
    return "\n".join(lines) + "\n"
