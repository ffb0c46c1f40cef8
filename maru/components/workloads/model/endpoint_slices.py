"""EndpointSlices: members cut into slices of at most a hundred, changing as few slices as possible.

Source: k8s.io/endpointslice, reconciler.go and utils.go; pkg/controller/endpointslicemirroring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from maru.components.workloads.model.endpoints import (
    HEADLESS,
    TRIGGER_TIME,
    Member,
    Ports,
    family_of,
    host_name,
    is_headless,
    target_reference,
    trigger_time,
)
from maru.components.workloads.model.values import drop_empty, owner_reference
from maru.core.document import Resource, Value
from maru.kinds.pod_state import node_name
from maru.kinds.resources import ENDPOINTSLICES

SLICE_MAX = 100
MIRROR_MAX = 1000
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
MIRROR_MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
ZONE = "topology.kubernetes.io/zone"

Group = tuple[str, Ports]
"""(address type, ports): what all endpoints of one slice share."""


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """What to write: new slices, changed ones (whole), and ones to delete."""

    create: tuple[Value, ...]
    update: tuple[Value, ...]
    delete: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """What all slices of one source have in common. kind: Service, or Endpoints when mirrored."""

    namespace: str
    service: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owner: Value
    kind: Resource


def service_head(service: Value, found: Sequence[Member], kind: Resource) -> Head:
    """The head of the slices of a Service with a selector."""
    metadata = service["metadata"]
    labels = {key: text for key, text in (metadata.get("labels") or {}).items() if key != HEADLESS}
    if is_headless(service):
        labels[HEADLESS] = ""
    labels[SERVICE_NAME] = metadata["name"]
    labels[MANAGED_BY] = MANAGER
    annotations = {TRIGGER_TIME: trigger_time(service, found)}
    return Head(metadata["namespace"], metadata["name"], labels, annotations, service, kind)


def mirror_head(endpoints: Value, kind: Resource) -> Head:
    """The head of the slices that mirror an Endpoints document made by hand."""
    metadata = endpoints["metadata"]
    labels = dict(metadata.get("labels") or {})
    labels[SERVICE_NAME] = metadata["name"]
    labels[MANAGED_BY] = MIRROR_MANAGER
    dropped = (TRIGGER_TIME, "kubectl.kubernetes.io/last-applied-configuration")
    annotations = {key: text for key, text in (metadata.get("annotations") or {}).items() if key not in dropped}
    return Head(metadata["namespace"], metadata["name"], labels, annotations, endpoints, kind)


def wanted_groups(service: Value, found: Sequence[Member], zones: Mapping[str, str]) -> dict[Group, list[Value]]:
    """The endpoints of a Service by what their slice has in common. zones: by node name."""
    groups: dict[Group, list[Value]] = {}
    for member in found:
        groups.setdefault((family_of(member.address), member.ports), []).append(_endpoint(service, member, zones))
    return groups


def _endpoint(service: Value, member: Member, zones: Mapping[str, str]) -> Value:
    node = node_name(member.pod)
    return {
        "addresses": [member.address],
        "conditions": {
            "ready": member.is_ready,
            "serving": member.is_serving,
            "terminating": member.is_terminating,
        },
        **drop_empty(
            {
                "hostname": host_name(service, member.pod),
                "nodeName": node,
                "targetRef": target_reference(member.pod),
                "zone": zones.get(node),
            }
        ),
    }


def mirrored_groups(endpoints: Value) -> dict[Group, list[Value]]:
    """The endpoints of an Endpoints document made by hand, at most MIRROR_MAX a subset."""
    groups: dict[Group, list[Value]] = {}
    for subset in endpoints.get("subsets") or ():
        ports = tuple(
            (port.get("name") or "", port.get("protocol") or "TCP", int(port["port"]), port.get("appProtocol") or "")
            for port in subset.get("ports") or ()
        )
        listed = [(address, True) for address in subset.get("addresses") or ()]
        listed += [(address, False) for address in subset.get("notReadyAddresses") or ()]
        for address, ready in listed[:MIRROR_MAX]:
            entry = {
                "addresses": [address["ip"]],
                "conditions": {"ready": ready},
                **drop_empty({name: address.get(name) for name in ("hostname", "nodeName", "targetRef")}),
            }
            groups.setdefault((family_of(address["ip"]), ports), []).append(entry)
    return groups


def plan(
    head: Head, groups: Mapping[Group, Sequence[Value]], have: Sequence[Value], name: Callable[[], str]
) -> SlicePlan:
    """What turns the slices `have` into ones that hold `groups`. name: a new slice's suffix."""
    create: list[Value] = []
    update: list[Value] = []
    delete: list[Value] = []
    by_group: dict[Group, list[Value]] = {}
    for existing in have:
        by_group.setdefault(_group_of(existing), []).append(existing)
    # An empty slice stands for a Service without members, so that watchers know it was looked at.
    want = dict(groups) or {("IPv4", ()): []}
    for group, slices in by_group.items():
        if group not in want:
            delete += slices
    for group, endpoints in want.items():
        filled = _fill(by_group.get(group, ()), endpoints)
        for current, content in filled:
            if current is None:
                create.append(_slice(head, group, content, name()))
            elif not content and len(filled) > 1:
                delete.append(current)
            else:
                fresh = _slice(head, group, content, "", current)
                if _essence(fresh) != _essence(current):
                    update.append(fresh)
    if create and delete:
        # A slice that is no longer needed carries on as one that is: one write less, and no gap.
        reused = min(len(create), len(delete))
        for fresh, existing in zip(create[:reused], delete[:reused], strict=True):
            if existing["addressType"] == fresh["addressType"]:
                fresh["metadata"] = {**existing["metadata"], "labels": fresh["metadata"]["labels"]}
                update.append(fresh)
                create = [each for each in create if each is not fresh]
                delete = [each for each in delete if each is not existing]
    return SlicePlan(tuple(create), tuple(update), tuple(delete))


def _fill(slices: Sequence[Value], endpoints: Sequence[Value]) -> list[tuple[Value | None, list[Value]]]:
    """Keep each endpoint in the slice it is in; put new ones where there is room; open slices for the rest."""
    left = {endpoint["addresses"][0]: endpoint for endpoint in endpoints}
    filled: list[tuple[Value | None, list[Value]]] = []
    for existing in slices:
        addresses = [entry["addresses"][0] for entry in existing.get("endpoints") or ()]
        filled.append((existing, [left.pop(address) for address in addresses if address in left]))
    rest = list(left.values())
    for _, content in sorted(filled, key=lambda each: -len(each[1])):
        room = SLICE_MAX - len(content)
        content.extend(rest[:room])
        rest = rest[room:]
    filled += [(None, rest[start : start + SLICE_MAX]) for start in range(0, len(rest), SLICE_MAX)]
    return filled or [(None, [])]


def _slice(head: Head, group: Group, endpoints: Sequence[Value], suffix: str, existing: Value | None = None) -> Value:
    address_type, ports = group
    if existing is not None:
        metadata = dict(existing["metadata"])
        metadata["labels"] = dict(head.labels)
        metadata["annotations"] = dict(head.annotations)
    else:
        prefix = f"{head.service}-"
        metadata = {
            "name": f"{prefix[:58]}{suffix}",
            "generateName": prefix,
            "namespace": head.namespace,
            "labels": dict(head.labels),
            "annotations": dict(head.annotations),
            "ownerReferences": [owner_reference(head.kind, head.owner)],
        }
    return {
        "apiVersion": ENDPOINTSLICES.api_version,
        "kind": ENDPOINTSLICES.kind,
        "metadata": metadata,
        "addressType": address_type,
        "endpoints": list(endpoints),
        "ports": [_port(port) for port in ports],
    }


def _port(port: tuple[str, str, int, str]) -> Value:
    name, protocol, number, app_protocol = port
    entry: Value = {"name": name, "port": number, "protocol": protocol}
    if app_protocol:
        entry["appProtocol"] = app_protocol
    return entry


def _group_of(existing: Value) -> Group:
    ports = tuple(
        (port.get("name") or "", port.get("protocol") or "TCP", int(port["port"]), port.get("appProtocol") or "")
        for port in existing.get("ports") or ()
    )
    return existing["addressType"], ports


def _essence(value: Value) -> tuple[object, ...]:
    """What counts as a change: not the trigger time alone."""
    return value.get("endpoints") or [], value["metadata"].get("labels") or {}
