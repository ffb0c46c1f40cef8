"""Keeps the table in step with NetworkPolicies.

Pods and Namespaces are only watched once there is a policy: most platforms never pay for it. The DNS
server counts as a Pod of kube-system with CoreDNS's label, so that the usual policies that let DNS
through do so.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator, Mapping
from socket import inet_aton

from maru.components.network.engine.data_plane import DataPlane
from maru.components.network.model.boxes import Box
from maru.components.network.model.elements import (
    ALLOW_IN,
    ALLOW_OUT,
    GROUP_IN,
    GROUP_OUT,
    Elements,
    PolicyGroup,
    difference,
)
from maru.components.network.model.policies import EGRESS, INGRESS, Group, PolicyPlan, PolicyPod, plan_policies
from maru.core.clock import Clock
from maru.core.document import Document, Value
from maru.core.errors import Unavailable
from maru.core.informer import Informers
from maru.core.log import Log
from maru.kinds.resources import NAMESPACES, NETWORKPOLICIES, PODS

_AGAIN_S = 1.0
_DNS_LABELS = {"k8s-app": "kube-dns"}
_DNS_PORTS = {("dns", "UDP"): 53, ("dns-tcp", "TCP"): 53}


class GroupNumbers:
    """A number for every group in use; a number that is free again is given again."""

    def __init__(self) -> None:
        self._numbers: dict[Group, int] = {}

    def take(self, groups: set[Group]) -> Mapping[Group, int]:
        """Numbers for these groups; those of others are free."""
        self._numbers = {group: number for group, number in self._numbers.items() if group in groups}
        used = set(self._numbers.values())
        number = 0
        for group in groups - self._numbers.keys():
            number += 1
            while number in used:
                number += 1
            self._numbers[group] = number
        return self._numbers


class PoliciesController:
    """node_name: whose Pods are isolated; dns_address: where the DNS server listens."""

    def __init__(self, plane: DataPlane, informers: Informers, clock: Clock, node_name: str, dns_address: str) -> None:
        self._plane = plane
        self._informers = informers
        self._clock = clock
        self._node_name = node_name
        self._dns = PolicyPod("kube-system", _DNS_LABELS, dns_address, _DNS_PORTS, is_local=False)
        self._policies = informers.of(NETWORKPOLICIES)
        self._numbers = GroupNumbers()
        self._have: Elements = {}
        self._wake = asyncio.Event()
        self._log = Log("network")

    async def run(self, is_replaced: asyncio.Event, debounce_s: float) -> None:
        """Until cancelled; begins when the table of this start is in place."""
        self._policies.on_change(self._on_change)
        await is_replaced.wait()
        await self._policies.wait_synced()
        while not self._policies.list():
            self._wake.clear()
            await self._wake.wait()
        pods, namespaces = self._informers.of(PODS), self._informers.of(NAMESPACES)
        pods.on_change(self._on_pod)
        namespaces.on_change(self._on_change)
        await pods.wait_synced()
        await namespaces.wait_synced()
        while True:
            self._wake.clear()
            want = policy_elements(self._plan(), self._numbers)
            try:
                await self._plane.apply(difference(self._have, want))
                self._have = want
            except Unavailable as error:
                self._log.warning("policies are not in force yet, will try again", error=str(error))
                await self._clock.sleep(_AGAIN_S)
                continue
            await self._wake.wait()
            await self._clock.sleep(debounce_s)

    def _plan(self) -> PolicyPlan:
        policies = [policy.value for policy in self._policies.list()]
        pods = [
            pod for document in self._informers.of(PODS).list() if (pod := policy_pod(document.value, self._node_name))
        ]
        spaces = {space.key.name: space.metadata.get("labels") or {} for space in self._informers.of(NAMESPACES).list()}
        return plan_policies(policies, [*pods, self._dns], spaces)

    def _on_pod(self, new: Document | None, old: Document | None) -> None:
        before = policy_pod(old.value, self._node_name) if old is not None else None
        after = policy_pod(new.value, self._node_name) if new is not None else None
        if before != after:
            self._wake.set()

    def _on_change(self, new: Document | None, old: Document | None) -> None:
        self._wake.set()


def policy_pod(pod: Value, node_name: str) -> PolicyPod | None:
    """What policies see of a Pod; None if it has no address of its own, or has ended."""
    spec, status = pod["spec"], pod.get("status") or {}
    address = status.get("podIP") or ""
    if "." not in address or spec.get("hostNetwork") or status.get("phase") in ("Succeeded", "Failed"):
        return None
    ports = {
        (port["name"], port.get("protocol") or "TCP"): int(port["containerPort"])
        for container in spec.get("containers") or []
        for port in container.get("ports") or []
        if port.get("name")
    }
    metadata = pod["metadata"]
    is_local = spec.get("nodeName") == node_name
    return PolicyPod(metadata["namespace"], metadata.get("labels") or {}, address, ports, is_local)


def policy_elements(plan: PolicyPlan, numbers: GroupNumbers) -> Elements:
    """The plan as elements."""
    number_of = numbers.take(set(plan.allowed))
    elements: Elements = {}
    for direction, way, groups, allows in (
        (INGRESS, "in", GROUP_IN, ALLOW_IN),
        (EGRESS, "out", GROUP_OUT, ALLOW_OUT),
    ):
        elements[groups] = {
            inet_aton(address): PolicyGroup(way, number_of[group]) for address, group in plan.groups[direction].items()
        }
        elements[allows] = {
            key: None
            for group, boxes in plan.allowed.items()
            if group[0] == direction
            for box in boxes
            for key in _ranges(number_of[group], box)
        }
    return elements


def _ranges(number: int, box: Box) -> Iterator[bytes]:
    packed = struct.pack("=I", number)
    for first, last, low, high in box.ports:
        yield b"".join(
            packed + struct.pack(">BxxxHxxI", protocol, port, address)
            for protocol, port, address in ((first, low, box.first), (last, high, box.last))
        )
