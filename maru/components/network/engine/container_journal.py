"""Networks, open sandboxes and balancers, kept in a journal that survives kill -9.

One JSON line per change, appended with a single write; a torn last line (power loss) is dropped. The
journal is rewritten when it is opened. Used by one thread; readers elsewhere get copies.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from maru.components.network.model.container_state import NetworkRecord, OpenSandbox
from maru.contracts.container_network import Balancer


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change: a network or sandbox as it is from now on, or the id of one that is gone."""

    network: NetworkRecord | None = None
    sandbox: OpenSandbox | None = None
    gone_network: str = ""
    gone_sandbox: str = ""
    balancers: tuple[Balancer, ...] | None = None  # all there are from now on


_DECODER = msgspec.json.Decoder(Line)


class Journal:
    """networks, sandboxes: by id, oldest first; balancers: those of networks there are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self.networks: dict[str, NetworkRecord] = {}
        self.sandboxes: dict[str, OpenSandbox] = {}
        self.balancers: tuple[Balancer, ...] = ()

    def open_blocking(self) -> None:
        """Read the journal and write it anew. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for line in self._read_lines():
            self._take(line)
        lines = [Line(network=network) for network in self.networks.values()]
        lines += [Line(sandbox=sandbox) for sandbox in self.sandboxes.values()]
        lines += [Line(balancers=self.balancers)] if self.balancers else []
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        fresh.replace(self._path)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def close_blocking(self) -> None:
        """Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def put_network_blocking(self, network: NetworkRecord) -> None:
        """Raises OSError."""
        self._append(Line(network=network))

    def put_sandbox_blocking(self, sandbox: OpenSandbox) -> None:
        """Raises OSError."""
        self._append(Line(sandbox=sandbox))

    def put_balancers_blocking(self, balancers: tuple[Balancer, ...]) -> None:
        """Nothing is written when they are the same. Raises OSError."""
        if balancers != self.balancers:
            self._append(Line(balancers=balancers))

    def drop_network_blocking(self, network_id: str) -> None:
        """Idempotent. Raises OSError."""
        if network_id in self.networks:
            self._append(Line(gone_network=network_id))

    def drop_sandbox_blocking(self, container_id: str) -> None:
        """Idempotent. Raises OSError."""
        if container_id in self.sandboxes:
            self._append(Line(gone_sandbox=container_id))

    def _append(self, line: Line) -> None:
        os.write(self._file, msgspec.json.encode(line) + b"\n")
        self._take(line)

    def _take(self, line: Line) -> None:
        if line.network is not None:
            self.networks[line.network.id] = line.network
        if line.sandbox is not None:
            self.sandboxes[line.sandbox.id] = line.sandbox
        if line.balancers is not None:
            self.balancers = line.balancers
        if line.gone_network:
            self.balancers = tuple(each for each in self.balancers if each.network_id != line.gone_network)
        self.networks.pop(line.gone_network, None)
        self.sandboxes.pop(line.gone_sandbox, None)

    def _read_lines(self) -> Iterator[Line]:
        if not self._path.exists():
            return
        for raw in self._path.read_bytes().split(b"\n"):
            if raw:
                try:
                    yield _DECODER.decode(raw)
                except msgspec.MsgspecError:
                    continue  # torn by a loss of power: it was never acknowledged
