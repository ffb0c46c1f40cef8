"""Names of containers: what each of them is told when it asks 127.0.0.11.

A container sees the names on the networks it is on, those of its links, and of addresses there; a name
may be followed by the network's. Everything else is asked outside. Source: Docker documentation,
"Networking overview", DNS services; moby/libnetwork/sandbox.go (ResolveName, ResolveIP).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from maru.components.network.model.container_state import Held, OpenSandbox
from maru.contracts.container_network import Endpoint
from maru.wire.dns.message import AAAA, INTERNET, PTR, A, Answer, Question, record
from maru.wire.dns.names import BadName, decode_name, encode_name

TTL_S = 600


class ContainerNames:
    """The names of all networks at one moment; made anew when something changed."""

    def __init__(self, sandboxes: Iterable[OpenSandbox]) -> None:
        self._sandboxes: dict[str, OpenSandbox] = {}
        self._names: dict[tuple[str, str], list[Endpoint]] = {}  # by network id and name in lower case
        self._addresses: dict[tuple[str, str], Endpoint] = {}  # by network id and reverse name
        for sandbox in sandboxes:
            self._sandboxes[sandbox.id] = sandbox
            for held in sandbox.held:
                self._take(held.endpoint)

    def answer(self, container_id: str, question: Question) -> Answer | None:
        """What the container is told, None for what must be asked outside."""
        sandbox = self._sandboxes.get(container_id)
        if sandbox is None or question.category != INTERNET or question.kind not in (A, AAAA, PTR):
            return None
        name = decode_name(question.name).rstrip(".").lower()
        if question.kind == PTR:
            return self._reverse(sandbox, name)
        for held in sandbox.held:
            found = self._find(held, name)
            if found:
                return _addresses(found, question.kind)
        return None

    def _find(self, held: Held, name: str) -> list[Endpoint]:
        network_id = held.endpoint.network_id
        suffix = f".{held.endpoint.network_name.lower()}"
        for asked in (name, name.removesuffix(suffix)):
            for target, alias in held.join.links:
                if (alias or target).lower() == asked:
                    found = self._names.get((network_id, target.lower())) or self._by_id(network_id, target)
                    if found:
                        return found
            found = self._names.get((network_id, asked), [])
            if found:
                return found
        return []

    def _by_id(self, network_id: str, container_id: str) -> list[Endpoint]:
        sandbox = self._sandboxes.get(container_id)
        held = sandbox.find(network_id) if sandbox is not None else None
        return [held.endpoint] if held is not None else []

    def _reverse(self, sandbox: OpenSandbox, name: str) -> Answer | None:
        for held in sandbox.held:
            endpoint = self._addresses.get((held.endpoint.network_id, name))
            if endpoint is not None:
                try:
                    target = encode_name(f"{endpoint.container_name}.{endpoint.network_name}")
                except BadName:
                    return None
                return Answer(answers=[record(PTR, TTL_S, target)], is_authoritative=False)
        return None

    def _take(self, endpoint: Endpoint) -> None:
        if not endpoint.dns_names:
            return
        for name in dict.fromkeys(name.lower() for name in endpoint.dns_names):
            self._names.setdefault((endpoint.network_id, name), []).append(endpoint)
        for address in (endpoint.ip, endpoint.ip6):
            if address:
                self._addresses[endpoint.network_id, ipaddress.ip_address(address).reverse_pointer] = endpoint


def _addresses(endpoints: Iterable[Endpoint], kind: int) -> Answer:
    texts = [endpoint.ip if kind == A else endpoint.ip6 for endpoint in endpoints]
    packed = [ipaddress.ip_address(text).packed for text in texts if text]
    return Answer(answers=[record(kind, TTL_S, each) for each in packed], is_authoritative=False)
