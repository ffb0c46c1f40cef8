"""Which sandbox has which address, kept in a journal that survives kill -9.

One JSON line per change, appended with a single write before the kernel is touched; a torn last
line (power loss) is dropped. The journal is rewritten when it is opened. A reboot needs no sync:
its sandboxes are gone, and `retain` frees what the journal still holds.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from maru.components.network.model.addresses import AddressRange
from maru.contracts.pod_network import Attachment, HostPort
from maru.core.errors import Conflict, Unavailable


class Port(msgspec.Struct, frozen=True, array_like=True):
    """A host port as the journal keeps it."""

    host_port: int
    container_port: int
    protocol: str
    host_ip: str


class Lease(msgspec.Struct, frozen=True):
    """An address in use. owner: namespace/name of the Pod."""

    sandbox_id: str
    address: str
    owner: str
    ports: tuple[Port, ...] = ()


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change: a lease taken, a sandbox freed, or the last address given."""

    take: Lease | None = None
    free: str = ""
    last: str = ""


_FULL = (errno.ENOSPC, errno.EDQUOT)
_DECODER = msgspec.json.Decoder(Line)


class Leases:
    """The leases of this node; used by one thread."""

    def __init__(self, path: Path, addresses: AddressRange) -> None:
        self._path = path
        self._range = addresses
        self._leases: dict[str, Lease] = {}
        self._last = ""
        self._file = -1

    def open_blocking(self) -> None:
        """Read the journal and write it anew, unless the disk is full. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for line in self._read_lines():
            if line.take is not None:
                self._leases[line.take.sandbox_id] = line.take
                self._last = line.take.address
            self._leases.pop(line.free, None)
            self._last = line.last or self._last
        lines = [Line(take=lease) for lease in self._leases.values()]
        lines.append(Line(last=self._last))
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
            fresh.replace(self._path)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            fresh.unlink(missing_ok=True)  # the old one says the same in more lines
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def close_blocking(self) -> None:
        """Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def find(self, sandbox_id: str) -> Lease | None:
        """The lease of a sandbox, or None."""
        return self._leases.get(sandbox_id)

    def all(self) -> list[Lease]:
        """All leases, oldest first."""
        return list(self._leases.values())

    def take_blocking(self, attachment: Attachment) -> Lease:
        """The sandbox's lease, a new one if it has none. Raises Unavailable, Conflict, OSError."""
        have = self._leases.get(attachment.sandbox_id)
        if have is not None:
            return have
        self._check_ports(attachment)
        address = self._range.next_free({lease.address for lease in self._leases.values()}, self._last)
        if address is None:
            raise Unavailable(
                what=f"address for Pod {attachment.namespace}/{attachment.name}",
                why=f"all {self._range.capacity} addresses of {self._range.network} are in use",
                fix="delete Pods, or give this node a wider range (network.node_range)",
            )
        ports = tuple(
            Port(port.host_port, port.container_port, port.protocol, port.host_ip) for port in attachment.host_ports
        )
        lease = Lease(attachment.sandbox_id, address, f"{attachment.namespace}/{attachment.name}", ports)
        self._append(Line(take=lease))
        self._leases[lease.sandbox_id] = lease
        self._last = address
        return lease

    def free_blocking(self, sandbox_id: str) -> None:
        """Idempotent. On a full disk it is forgotten until the next start, which frees it again. Raises OSError."""
        if sandbox_id in self._leases:
            try:
                self._append(Line(free=sandbox_id))
            except OSError as error:
                if error.errno not in _FULL:
                    raise
            del self._leases[sandbox_id]

    def _append(self, line: Line) -> None:
        os.write(self._file, msgspec.json.encode(line) + b"\n")

    def _read_lines(self) -> Iterator[Line]:
        if not self._path.exists():
            return
        for raw in self._path.read_bytes().split(b"\n"):
            try:
                line = _DECODER.decode(raw)
            except msgspec.DecodeError:
                continue
            if line.take is None or line.take.address in self._range:
                yield line

    def _check_ports(self, attachment: Attachment) -> None:
        for lease in self._leases.values():
            for taken in lease.ports:
                if any(_collide(taken, want) for want in attachment.host_ports):
                    raise Conflict(
                        what=f"host port {taken.host_port}/{taken.protocol}",
                        why=f"Pod {lease.owner} has it",
                        fix="choose another hostPort, or run the Pod on another node",
                    )


def _collide(taken: Port, want: HostPort) -> bool:
    if (taken.protocol, taken.host_port) != (want.protocol, want.host_port):
        return False
    anywhere = ("", "0.0.0.0")
    return taken.host_ip in anywhere or want.host_ip in anywhere or taken.host_ip == want.host_ip
