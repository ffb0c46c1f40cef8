"""Where one platform stands: its folder, its ports, its address ranges.

Several platforms can stand side by side on a machine, each with its own data folder, port offset,
bridge and ranges; everything that could collide is asked from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PORT_KUBERNETES = 6443
PORT_REGISTRY = 5000
PORT_AWS = 4566
PORT_ELASTIC = 9200
PORT_PIPELINES = 9600
DEFAULT_DATA_DIR = Path("/var/lib/maru")


@dataclass(frozen=True, slots=True)
class Site:
    """data_dir: absolute. port_offset: added to every conventional port (0..50000).

    pod_cidr, service_cidr: IPv4 ranges; container_cidr: what container networks are cut from, "" for the
    well-known 172.17.0.0/16 to 172.31.0.0/16 and 192.168.0.0/16; bridge: at most 14 characters; instance:
    a short name unique on the machine, for tables, cgroups and namespaces ("maru" for the default folder).
    has_test_hooks: suites of clients may forget everything and sign with well-known keys.
    """

    data_dir: Path
    node_name: str
    port_offset: int = 0
    instance: str = "maru"
    bridge: str = "maru0"
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    container_cidr: str = ""
    cluster_dns_ip: str = "10.96.0.10"
    cluster_domain: str = "cluster.local"
    listen: str = "127.0.0.1"
    has_test_hooks: bool = False

    def port(self, conventional: int) -> int:
        """The port that stands for a conventional one here."""
        return conventional + self.port_offset

    @property
    def run_dir(self) -> Path:
        """Sockets and pid files; gone after a reboot is fine."""
        return self.data_dir / "run"

    def socket(self, name: str) -> Path:
        """The unix socket of one edge: api, node, docker."""
        return self.run_dir / f"{name}.sock"

    def folder(self, component: str) -> Path:
        """The folder that a component owns (it makes it)."""
        return self.data_dir / component
