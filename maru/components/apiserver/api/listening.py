"""Where the API server listens: TLS for people and Pods, a unix socket for Maru's own processes."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from maru.components.apiserver.config import ApiServerConfig
from maru.core.front.listener import Listener, TcpListener, UnixListener
from maru.core.front.tls import ServerTls
from maru.core.site import PORT_KUBERNETES, Site

SOCKET_MODE = 0o600


def cluster_address(site: Site, config: ApiServerConfig) -> str:
    """The address that Pods reach the API server at: the bridge's, which is the first of the Pod range."""
    return config.cluster_address or str(IPv4Network(site.pod_cidr).network_address + 1)


def listeners(site: Site, config: ApiServerConfig, tls: ServerTls) -> Sequence[Listener]:
    """All of them; the run folder is made."""
    site.run_dir.mkdir(parents=True, exist_ok=True)
    port = site.port(PORT_KUBERNETES)
    places: list[Listener] = [
        TcpListener(site.listen, port, tls),
        UnixListener(site.socket("api"), SOCKET_MODE),
    ]
    is_everywhere = site.listen in ("0.0.0.0", "::")
    if (config.on_bridge or config.cluster_address) and not is_everywhere:
        places.append(TcpListener(cluster_address(site, config), port, tls, may_be_absent=True))
    return places
