"""The columns of access, networking, storage, scheduling, admission and API machinery kinds."""

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
    human_duration,
    selector_text,
    shorten,
)
from maru.kinds.strategy import CREATED_COLUMN, Column


def _name_of_class(annotation: str) -> Cell:
    def cell(value: Value, _: datetime) -> str:
        metadata = value["metadata"]
        is_default = (metadata.get("annotations") or {}).get(annotation) == "true"
        return f"{metadata['name']} (default)" if is_default else str(metadata["name"])

    return cell


def _subjects(kind: str) -> Column:
    def cell(binding: Value, _: datetime) -> str:
        names = []
        for subject in binding.get("subjects") or []:
            if subject["kind"] == kind:
                prefix = f"{subject.get('namespace', '')}/" if kind == "ServiceAccount" else ""
                names.append(prefix + subject["name"])
        return ", ".join(names)

    return Column(f"{kind}s", cell, priority=1)


def _role(binding: Value, _: datetime) -> str:
    return f"{binding['roleRef']['kind']}/{binding['roleRef']['name']}"


def _csr_condition(request: Value, _: datetime) -> str:
    status = request.get("status") or {}
    states = {condition["type"] for condition in status.get("conditions") or []}
    words = [next((word for word in ("Denied", "Approved") if word in states), "Pending")]
    if "Failed" in states:
        words.append("Failed")
    if status.get("certificate"):
        words.append("Issued")
    return ",".join(words)


def _csr_duration(request: Value, _: datetime) -> str:
    seconds = request["spec"].get("expirationSeconds")
    return NONE if seconds is None else human_duration(seconds)


def _holder(lease: Value, _: datetime) -> object:
    return lease["spec"].get("holderIdentity") or ""


def _hosts(ingress: Value, _: datetime) -> str:
    hosts = [rule.get("host") or "*" for rule in ingress["spec"].get("rules") or []]
    return shorten(hosts, 3) if hosts else "*"


def _ingress_address(ingress: Value, _: datetime) -> str:
    points = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return ",".join(point.get("ip") or point.get("hostname", "") for point in points)


def _ingress_parameters(value: Value, _: datetime) -> str:
    parameters = value["spec"].get("parameters")
    if not parameters:
        return NONE
    group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
    return f"{parameters['kind']}{group}/{parameters['name']}"


def _slice_ports(value: Value, _: datetime) -> str:
    if not value.get("ports"):
        return UNSET
    return shorten([str(port["port"]) if port.get("port") else "*" for port in value["ports"]], 3)


def _slice_endpoints(value: Value, _: datetime) -> str:
    addresses = [address for endpoint in value.get("endpoints") or [] for address in endpoint.get("addresses") or []]
    return shorten(addresses, 3) if addresses else UNSET


def _truth(path: str, default: bool = False) -> Column:
    name = path.rpartition(".")[2]
    return Column(name[:1].upper() + name[1:], at(path, default), "boolean")


def _service_of(value: Value, _: datetime) -> str:
    service = value["spec"].get("service")
    return f"{service['namespace']}/{service['name']}" if service else "Local"


def _available(value: Value, _: datetime) -> str:
    for condition in (value.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Available":
            reason = condition.get("reason", "")
            return "True" if condition["status"] == "True" else f"{condition['status']} ({reason})"
    return UNKNOWN


def _param_kind(value: Value, _: datetime) -> str:
    kind = value["spec"].get("paramKind")
    return f"{kind['apiVersion']}/{kind['kind']}" if kind else UNSET


def _param_reference(value: Value, _: datetime) -> str:
    reference = value["spec"].get("paramRef")
    if not reference:
        return UNSET
    if reference.get("name"):
        return f"{reference.get('namespace') or '*'}/{reference['name']}"
    return selector_text(reference.get("selector"))


def _missing_level(value: Value, _: datetime) -> str:
    for condition in (value.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Dangling":
            return str(condition["status"])
    return "?"


def _queuing(field: str) -> Column:
    cell = at(f"spec.limited.limitResponse.queuing.{field}", NONE)
    return Column(field[:1].upper() + field[1:], lambda value, now: str(cell(value, now)))


def _claim_state(claim: Value, _: datetime) -> str:
    words = ["deleted"] if claim["metadata"].get("deletionTimestamp") else []
    status = claim.get("status") or {}
    words.append("allocated" if status.get("allocation") else "pending")
    if status.get("reservedFor"):
        words.append("reserved")
    return ",".join(words)


ROLE_COLUMNS = (NAME, CREATED_COLUMN)
BINDING_COLUMNS = (
    NAME,
    Column("Role", _role),
    AGE_COLUMN,
    _subjects("User"),
    _subjects("Group"),
    _subjects("ServiceAccount"),
)
CERTIFICATESIGNINGREQUEST_COLUMNS = (
    NAME,
    AGE_COLUMN,
    Column("SignerName", at("spec.signerName")),
    Column("Requestor", at("spec.username")),
    Column("RequestedDuration", _csr_duration),
    Column("Condition", _csr_condition),
)
LEASE_COLUMNS = (NAME, Column("Holder", _holder), AGE_COLUMN)
INGRESS_COLUMNS = (
    NAME,
    Column("Class", at("spec.ingressClassName", NONE)),
    Column("Hosts", _hosts),
    Column("Address", _ingress_address),
    Column("Ports", lambda value, _: "80, 443" if value["spec"].get("tls") else "80"),
    AGE_COLUMN,
)
INGRESSCLASS_COLUMNS = (
    NAME,
    Column("Controller", at("spec.controller")),
    Column("Parameters", _ingress_parameters),
    AGE_COLUMN,
)
NETWORKPOLICY_COLUMNS = (
    NAME,
    Column("Pod-Selector", lambda value, _: selector_text(value["spec"].get("podSelector"))),
    AGE_COLUMN,
)
ENDPOINTSLICE_COLUMNS = (
    NAME,
    Column("AddressType", at("addressType")),
    Column("Ports", _slice_ports),
    Column("Endpoints", _slice_endpoints),
    AGE_COLUMN,
)
SERVICECIDR_COLUMNS = (NAME, Column("CIDRs", lambda value, _: ",".join(value["spec"].get("cidrs") or [])), AGE_COLUMN)
IPADDRESS_COLUMNS = (
    NAME,
    Column("ParentRef", lambda value, _: _parent(value["spec"].get("parentRef") or {})),
    AGE_COLUMN,
)
STORAGECLASS_COLUMNS = (
    Column("Name", _name_of_class("storageclass.kubernetes.io/is-default-class"), format="name"),
    Column("Provisioner", at("provisioner")),
    Column("ReclaimPolicy", at("reclaimPolicy")),
    Column("VolumeBindingMode", at("volumeBindingMode")),
    Column("AllowVolumeExpansion", at("allowVolumeExpansion", False), "boolean"),
    AGE_COLUMN,
)
VOLUMEATTACHMENT_COLUMNS = (
    NAME,
    Column("Attacher", at("spec.attacher")),
    Column("PV", at("spec.source.persistentVolumeName")),
    Column("Node", at("spec.nodeName")),
    Column("Attached", at("status.attached", False), "boolean"),
    AGE_COLUMN,
)
VOLUMEATTRIBUTESCLASS_COLUMNS = (NAME, Column("DriverName", at("driverName")), AGE_COLUMN)
CSINODE_COLUMNS = (
    NAME,
    Column("Drivers", lambda value, _: len(value["spec"].get("drivers") or ()), "integer"),
    AGE_COLUMN,
)
CSIDRIVER_COLUMNS = (
    NAME,
    _truth("spec.attachRequired", default=True),
    _truth("spec.podInfoOnMount"),
    _truth("spec.storageCapacity"),
    Column(
        "TokenRequests",
        lambda value, _: ",".join(one.get("audience", "") for one in value["spec"].get("tokenRequests") or []) or UNSET,
    ),
    _truth("spec.requiresRepublish"),
    Column("Modes", lambda value, _: ",".join(value["spec"].get("volumeLifecycleModes") or []) or UNSET),
    AGE_COLUMN,
)
CSISTORAGECAPACITY_COLUMNS = (
    NAME,
    Column("StorageClassName", at("storageClassName")),
    Column("Capacity", at("capacity")),
)
PRIORITYCLASS_COLUMNS = (
    NAME,
    Column("Value", at("value", 0), "integer"),
    Column("Global-Default", at("globalDefault", False), "boolean"),
    AGE_COLUMN,
    Column("PreemptionPolicy", at("preemptionPolicy")),
)
RUNTIMECLASS_COLUMNS = (NAME, Column("Handler", at("handler")), AGE_COLUMN)
WEBHOOKCONFIGURATION_COLUMNS = (NAME, Column("Webhooks", count_of("webhooks"), "integer"), AGE_COLUMN)
ADMISSIONPOLICY_COLUMNS = (
    NAME,
    Column("Validations", lambda value, _: len(value["spec"].get("validations") or ()), "integer"),
    Column("ParamKind", _param_kind),
    AGE_COLUMN,
)
MUTATINGADMISSIONPOLICY_COLUMNS = (
    NAME,
    Column("Mutations", lambda value, _: len(value["spec"].get("mutations") or ()), "integer"),
    Column("ParamKind", _param_kind),
    AGE_COLUMN,
)
ADMISSIONPOLICYBINDING_COLUMNS = (
    NAME,
    Column("PolicyName", at("spec.policyName")),
    Column("ParamRef", _param_reference),
    AGE_COLUMN,
)
FLOWSCHEMA_COLUMNS = (
    NAME,
    Column("PriorityLevel", at("spec.priorityLevelConfiguration.name")),
    Column("MatchingPrecedence", at("spec.matchingPrecedence", 0), "integer"),
    Column("DistinguisherMethod", at("spec.distinguisherMethod.type", NONE)),
    AGE_COLUMN,
    Column("MissingPL", _missing_level),
)
PRIORITYLEVELCONFIGURATION_COLUMNS = (
    NAME,
    Column("Type", at("spec.type")),
    Column("NominalConcurrencyShares", lambda value, _: str(_shares(value))),
    _queuing("queues"),
    _queuing("handSize"),
    _queuing("queueLengthLimit"),
    AGE_COLUMN,
)
APISERVICE_COLUMNS = (NAME, Column("Service", _service_of), Column("Available", _available), AGE_COLUMN)
RESOURCECLAIM_COLUMNS = (NAME, Column("State", _claim_state), AGE_COLUMN)
RESOURCESLICE_COLUMNS = (
    NAME,
    Column("Node", at("spec.nodeName", UNSET)),
    Column("Driver", at("spec.driver")),
    Column("Pool", at("spec.pool.name")),
    AGE_COLUMN,
)


def _parent(reference: Value) -> str:
    group = f".{reference['group']}" if reference.get("group") else ""
    namespace = f"{reference['namespace']}/" if reference.get("namespace") else ""
    return f"{reference.get('resource', '')}{group}/{namespace}{reference.get('name', '')}"


def _shares(value: Value) -> object:
    limited = value["spec"].get("limited") or value["spec"].get("exempt") or {}
    return limited.get("nominalConcurrencyShares", NONE)
