"""The columns of the core group but Pods: Services, Nodes, Namespaces, volumes, Events and the like."""

from __future__ import annotations

from datetime import datetime

from maru.core.document import Value
from maru.kinds.columns.cells import (
    AGE_COLUMN,
    NAME,
    NONE,
    UNKNOWN,
    UNSET,
    Cell,
    at,
    count_of,
    labels_text,
    shorten,
    since,
)
from maru.kinds.strategy import Column

_ACCESS_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
ROLE_LABEL = "node-role.kubernetes.io/"


def _access_modes(modes: object) -> str:
    return ",".join(short for mode, short in _ACCESS_MODES.items() if mode in modes) if isinstance(modes, list) else ""


def _external_ip(service: Value, _: datetime) -> str:
    spec = service["spec"]
    external: list[str] = list(spec.get("externalIPs") or [])
    match spec.get("type", "ClusterIP"):
        case "ExternalName":
            return str(spec.get("externalName", ""))
        case "LoadBalancer":
            points = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
            ready = [point.get("ip") or point.get("hostname", "") for point in points]
            return ",".join(ready + external) or "<pending>"
        case _:
            return ",".join(external) or NONE


def _service_ports(service: Value, _: datetime) -> str:
    texts = []
    for port in service["spec"].get("ports") or []:
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        texts.append(f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}")
    return ",".join(texts) or NONE


def _cluster_ip(service: Value, _: datetime) -> str:
    ips = service["spec"].get("clusterIPs") or []
    return str(ips[0]) if ips else service["spec"].get("clusterIP") or NONE


def _endpoint_addresses(endpoints: Value, _: datetime) -> str:
    found = []
    for subset in endpoints.get("subsets") or []:
        ports = subset.get("ports") or []
        for address in subset.get("addresses") or []:
            found += [f"{address['ip']}:{port['port']}" for port in ports] or [address["ip"]]
    return shorten(found, 3)


def _node_status(node: Value, _: datetime) -> str:
    conditions = {condition["type"]: condition for condition in (node.get("status") or {}).get("conditions") or []}
    ready = conditions.get("Ready")
    words = ["Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"]
    if node["spec"].get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _node_roles(node: Value, _: datetime) -> str:
    labels = node["metadata"].get("labels") or {}
    roles = {key.removeprefix(ROLE_LABEL) for key in labels if key.startswith(ROLE_LABEL)} - {""}
    if labels.get("kubernetes.io/role"):
        roles.add(labels["kubernetes.io/role"])
    return ",".join(sorted(roles)) or NONE


def _node_address(kind: str) -> Column:
    def cell(node: Value, _: datetime) -> str:
        for address in (node.get("status") or {}).get("addresses") or []:
            if address["type"] == kind:
                return str(address["address"])
        return NONE

    return Column(f"{kind.removesuffix('IP')}-IP", cell, priority=1)


def _node_fact(name: str, field: str) -> Column:
    return Column(name, at(f"status.nodeInfo.{field}", UNKNOWN), priority=1)


def _event_time(event: Value) -> object:
    series = (event.get("series") or {}).get("lastObservedTime")
    return series or event.get("lastTimestamp") or event.get("firstTimestamp") or event.get("eventTime")


def _event_source(event: Value, _: datetime) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else str(component)


def _event_object(event: Value, _: datetime) -> str:
    regarding = event.get("involvedObject") or {}
    kind, name = regarding.get("kind", "").lower(), regarding.get("name", "")
    return f"{kind}/{name}" if name else kind


def _quota_row(prefix: str | None) -> Column:
    def cell(quota: Value, _: datetime) -> str:
        status = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        names = [name for name in sorted(hard) if name.startswith("limits.") == (prefix == "limits.")]
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return Column("Limit" if prefix else "Request", cell)


def _claim(volume: Value, _: datetime) -> str:
    claim = volume["spec"].get("claimRef") or {}
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


def _claim_phase(claim: Value, _: datetime) -> str:
    if claim["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str((claim.get("status") or {}).get("phase", ""))


def _claimed(cell: Cell) -> Cell:
    """What a claim has of its volume: nothing before there is one."""
    return lambda value, now: cell(value, now) if value["spec"].get("volumeName") else ""


def _component_condition(field: str) -> Column:
    def cell(status: Value, _: datetime) -> object:
        for condition in status.get("conditions") or []:
            if condition["type"] == "Healthy":
                if field == "status":
                    return "Healthy" if condition["status"] == "True" else "Unhealthy"
                return condition.get(field, "")
        return ""

    return Column(field.capitalize(), cell)


def _terminating(value: Value, _: datetime) -> str:
    return str((value.get("status") or {}).get("phase", ""))


SERVICE_COLUMNS = (
    NAME,
    Column("Type", at("spec.type")),
    Column("Cluster-IP", _cluster_ip),
    Column("External-IP", _external_ip),
    Column("Port(s)", _service_ports),
    AGE_COLUMN,
    Column("Selector", lambda service, _: labels_text(service["spec"].get("selector")), priority=1),
)
ENDPOINTS_COLUMNS = (NAME, Column("Endpoints", _endpoint_addresses), AGE_COLUMN)
NODE_COLUMNS = (
    NAME,
    Column("Status", _node_status),
    Column("Roles", _node_roles),
    AGE_COLUMN,
    Column("Version", at("status.nodeInfo.kubeletVersion")),
    _node_address("InternalIP"),
    _node_address("ExternalIP"),
    _node_fact("OS-Image", "osImage"),
    _node_fact("Kernel-Version", "kernelVersion"),
    _node_fact("Container-Runtime", "containerRuntimeVersion"),
)
NAMESPACE_COLUMNS = (NAME, Column("Status", _terminating), AGE_COLUMN)
EVENT_COLUMNS = (
    Column("Last Seen", lambda event, now: since(_event_time(event), now)),
    Column("Type", at("type")),
    Column("Reason", at("reason")),
    Column("Object", _event_object),
    Column("Subobject", at("involvedObject.fieldPath"), priority=1),
    Column("Source", _event_source, priority=1),
    Column("Message", lambda event, _: str(event.get("message", "")).strip()),
    Column(
        "First Seen", lambda event, now: since(event.get("firstTimestamp") or event.get("eventTime"), now), priority=1
    ),
    Column(
        "Count",
        lambda event, _: (event.get("series") or {}).get("count") or event.get("count") or 1,
        "integer",
        priority=1,
    ),
    Column("Name", at("metadata.name"), priority=1),
)
CONFIGMAP_COLUMNS = (NAME, Column("Data", count_of("data", "binaryData"), "integer"), AGE_COLUMN)
SECRET_COLUMNS = (NAME, Column("Type", at("type")), Column("Data", count_of("data"), "integer"), AGE_COLUMN)
SERVICEACCOUNT_COLUMNS = (NAME, Column("Secrets", count_of("secrets"), "integer"), AGE_COLUMN)
RESOURCEQUOTA_COLUMNS = (NAME, _quota_row(None), _quota_row("limits."), AGE_COLUMN)
PERSISTENTVOLUME_COLUMNS = (
    NAME,
    Column("Capacity", at("spec.capacity.storage")),
    Column("Access Modes", lambda value, _: _access_modes(value["spec"].get("accessModes"))),
    Column("Reclaim Policy", at("spec.persistentVolumeReclaimPolicy")),
    Column("Status", _claim_phase),
    Column("Claim", _claim),
    Column("StorageClass", at("spec.storageClassName")),
    Column("VolumeAttributesClass", at("spec.volumeAttributesClassName", UNSET)),
    Column("Reason", at("status.reason")),
    AGE_COLUMN,
    Column("VolumeMode", at("spec.volumeMode", UNSET), priority=1),
)
PERSISTENTVOLUMECLAIM_COLUMNS = (
    NAME,
    Column("Status", _claim_phase),
    Column("Volume", at("spec.volumeName")),
    Column("Capacity", _claimed(at("status.capacity.storage"))),
    Column("Access Modes", _claimed(lambda value, _: _access_modes((value.get("status") or {}).get("accessModes")))),
    Column("StorageClass", at("spec.storageClassName")),
    Column("VolumeAttributesClass", at("spec.volumeAttributesClassName", UNSET)),
    AGE_COLUMN,
    Column("VolumeMode", at("spec.volumeMode", UNSET), priority=1),
)
COMPONENTSTATUS_COLUMNS = (NAME, *(_component_condition(field) for field in ("status", "message", "error")))
