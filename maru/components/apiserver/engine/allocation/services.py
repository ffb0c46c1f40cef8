"""What a Service is allotted: a cluster address, address families, node ports, a health check port.

Everything happens in one step of the loop, so two writes can never get the same; a write that fails
gives back what it took. Source: k8s.io/kubernetes/pkg/registry/core/service/storage/alloc.go;
Kubernetes docs, "Service", "IPv4/IPv6 dual-stack".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network

from maru.components.apiserver.engine.allocation.pool import Pool, static_size
from maru.components.apiserver.errors import conflict, invalid
from maru.core.document import Document, Value
from maru.core.errors import Invalid, Unavailable
from maru.core.ids import Ids
from maru.kinds.resources import SERVICES
from maru.kinds.rules import text as words

NODE_PORT_MIN = 30000
NODE_PORT_MAX = 32767
HEADLESS = "None"
_WITH_ADDRESS = frozenset({"ClusterIP", "NodePort", "LoadBalancer"})
_WITH_PORTS = frozenset({"NodePort", "LoadBalancer"})
_PORT_STATIC = static_size(NODE_PORT_MAX - NODE_PORT_MIN + 1, 16, 128, 32)

Taken = set[tuple[str, int]]
"""("address", offset) and ("port", number)."""


class Allotment:
    """What one write holds. taken: new with it; given_up: what only the old document had."""

    def __init__(self, owner: Services, holder: str, taken: Taken, given_up: Taken) -> None:
        self._owner = owner
        self._holder = holder
        self._taken = taken
        self._given_up = given_up

    def keep(self) -> None:
        """As `Reservation.keep`."""
        self._owner.free(self._holder, self._given_up)

    def drop(self) -> None:
        """As `Reservation.drop`."""
        self._owner.free(self._holder, self._taken)


class Services:
    """The keeper of Services. cidr: the platform's service range, IPv4."""

    def __init__(self, cidr: str, ids: Ids, documents: Iterable[Document] = ()) -> None:
        self._network = IPv4Network(cidr)
        self._base = int(self._network.network_address)
        size = self._network.num_addresses
        self._addresses = Pool(1, size - 2, static_size(size, 16, 256, 16), ids)
        self._ports = Pool(NODE_PORT_MIN, NODE_PORT_MAX, _PORT_STATIC, ids)
        for document in documents:
            holder = _holder(document.value)
            for kind, number in self._held(document.value):
                self._pool(kind).take(number, holder)

    @property
    def first_address(self) -> str:
        """The API server's own, inside of the cluster."""
        return str(self._network.network_address + 1)

    def reserve(self, value: Value, old: Value | None) -> Allotment:
        """As `Keeper.reserve`."""
        holder = _holder(value)
        before = self._held(old) if old is not None else set()
        if old is not None:
            _carry(value["spec"], old["spec"])
            if self._is_contested(value["spec"], holder, before):
                raise conflict(SERVICES, value["metadata"].get("name") or "")
        taken: Taken = set()
        try:
            self._allot_address(value, holder, taken)
            self._allot_ports(value, holder, taken)
        except BaseException:
            self.free(holder, taken - before)
            raise
        return Allotment(self, holder, taken - before, before - taken)

    def forget(self, value: Value) -> None:
        """As `Keeper.forget`."""
        self.free(_holder(value), self._held(value))

    def free(self, holder: str, numbers: Taken) -> None:
        """Give back what `holder` has of `numbers`."""
        for kind, number in numbers:
            self._pool(kind).free(number, holder)

    def _pool(self, kind: str) -> Pool:
        return self._addresses if kind == "address" else self._ports

    def _allot_address(self, value: Value, holder: str, taken: Taken) -> None:
        spec = value["spec"]
        if spec.get("type") not in _WITH_ADDRESS:
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(name, None)
            return
        wanted = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
        _default_families(value, is_headless=wanted == HEADLESS)
        if wanted == HEADLESS:
            spec["clusterIP"], spec["clusterIPs"] = HEADLESS, [HEADLESS]
            return
        offset = self._offset(value, wanted) if wanted else self._drawn(value, holder)
        if not self._addresses.take(offset, holder):
            raise _refused(
                value, "spec.clusterIPs", [wanted], f"failed to allocate IP {wanted}: provided IP is already allocated"
            )
        taken.add(("address", offset))
        address = str(IPv4Address(self._base + offset))
        spec["clusterIP"], spec["clusterIPs"] = address, [address]

    def _offset(self, value: Value, wanted: str) -> int:
        try:
            address = IPv4Address(wanted)
        except ValueError:
            text = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            raise _refused(value, "spec.clusterIPs[0]", wanted, text) from None
        offset = int(address) - self._base
        if offset not in self._addresses:
            text = (
                f"failed to allocate IP {wanted}: the provided IP ({wanted}) is not in the valid range. "
                f"The range of valid IPs is {self._network}"
            )
            raise _refused(value, "spec.clusterIPs", [wanted], text)
        return offset

    def _drawn(self, value: Value, holder: str) -> int:
        try:
            return self._addresses.draw(holder)
        except Unavailable as error:
            raise _refused(value, "spec.clusterIPs", [], f"failed to allocate a serviceIP: {error.why}") from error

    def _allot_ports(self, value: Value, holder: str, taken: Taken) -> None:
        spec = value["spec"]
        kind = spec.get("type")
        wants = kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True))
        by_port: dict[int, int] = {}  # a port served over TCP and UDP has one node port for both
        for index, port in enumerate(spec.get("ports") or ()):
            number = port.get("nodePort") or 0
            if number and kind in _WITH_PORTS:
                self._take_port(value, f"spec.ports[{index}].nodePort", number, holder)
            elif wants:
                number = by_port.get(port.get("port"), 0) or self._drawn_port(value, index, holder)
                port["nodePort"] = number
            else:
                port.pop("nodePort", None)
                continue
            by_port[port.get("port")] = number
            taken.add(("port", number))
        self._allot_health_port(value, holder, taken)

    def _allot_health_port(self, value: Value, holder: str, taken: Taken) -> None:
        spec = value["spec"]
        if spec.get("type") != "LoadBalancer" or spec.get("externalTrafficPolicy") != "Local":
            spec.pop("healthCheckNodePort", None)
            return
        number = spec.get("healthCheckNodePort") or 0
        if number:
            self._take_port(value, "spec.healthCheckNodePort", number, holder)
        else:
            number = spec["healthCheckNodePort"] = self._ports.draw(holder)
        taken.add(("port", number))

    def _take_port(self, value: Value, field: str, number: int, holder: str) -> None:
        if number not in self._ports:
            text = (
                f"provided port is not in the valid range. The range of valid ports is {NODE_PORT_MIN}-{NODE_PORT_MAX}"
            )
            raise _refused(value, field, number, text)
        if not self._ports.take(number, holder):
            raise _refused(value, field, number, "provided port is already allocated")

    def _is_contested(self, spec: Value, holder: str, before: Taken) -> bool:
        """Whether another write of the same Service, which is still on its way, holds what this one asks for."""
        named = [port.get("nodePort") for port in spec.get("ports") or ()] + [spec.get("healthCheckNodePort")]
        return any(
            number and ("port", number) not in before and self._ports.holder(number) == holder for number in named
        )

    def _drawn_port(self, value: Value, index: int, holder: str) -> int:
        try:
            return self._ports.draw(holder)
        except Unavailable as error:
            field = f"spec.ports[{index}].nodePort"
            raise _refused(value, field, 0, f"failed to allocate a nodePort: {error.why}") from error

    def _held(self, value: Value) -> Taken:
        spec = value.get("spec") or {}
        held: Taken = set()
        for text in spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else []):
            if text != HEADLESS:
                held.add(("address", int(IPv4Address(text)) - self._base))
        numbers = [port.get("nodePort") for port in spec.get("ports") or ()] + [spec.get("healthCheckNodePort")]
        held.update(("port", number) for number in numbers if number)
        return held


def _holder(value: Value) -> str:
    """Of one life of the Service: its uid, which is set before anything is reserved."""
    return str(value["metadata"]["uid"])


def _carry(spec: Value, old: Value) -> None:
    """Keep what was allotted where the update leaves it open."""
    if spec.get("type") in _WITH_ADDRESS and old.get("type") in _WITH_ADDRESS:
        if not spec.get("clusterIP") and not spec.get("clusterIPs"):
            for name in ("clusterIP", "clusterIPs"):
                if name in old:
                    spec[name] = old[name]
        for name in ("ipFamilies", "ipFamilyPolicy"):
            if not spec.get(name) and old.get(name):
                spec[name] = old[name]
    if spec.get("type") in _WITH_PORTS and old.get("type") in _WITH_PORTS:
        had = {_place(port): port["nodePort"] for port in old.get("ports") or () if port.get("nodePort")}
        used = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
        for port in spec.get("ports") or ():
            number = had.get(_place(port))
            if not port.get("nodePort") and number and number not in used:
                port["nodePort"] = number
        if not spec.get("healthCheckNodePort") and old.get("healthCheckNodePort"):
            spec["healthCheckNodePort"] = old["healthCheckNodePort"]


def _place(port: Mapping[str, object]) -> tuple[object, object]:
    return (port.get("protocol") or "TCP", port.get("port"))


def _default_families(value: Value, *, is_headless: bool) -> None:
    spec = value["spec"]
    policy = spec.get("ipFamilyPolicy")
    families = spec.get("ipFamilies") or []
    is_open = is_headless and not spec.get("selector")
    if not is_open:
        if policy == "RequireDualStack":
            text = "Cluster is not configured for dual-stack services"
            raise _refused(value, "spec.ipFamilyPolicy", policy, text)
        if any(family != "IPv4" for family in families):
            raise _refused(value, "spec.ipFamilies[0]", families[0], "not configured on this cluster")
    spec["ipFamilyPolicy"] = policy or ("RequireDualStack" if is_open else "SingleStack")
    spec["ipFamilies"] = families or (["IPv4", "IPv6"] if is_open else ["IPv4"])


def _refused(value: Value, field: str, given: object, text: str) -> Invalid:
    return invalid(SERVICES, value["metadata"].get("name") or "", [words.invalid(field, given, text)])
