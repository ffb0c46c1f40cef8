"""The core group but Pods and Services: ConfigMaps, Secrets, Namespaces, Nodes, volumes and the like.

Source: k8s.io/kubernetes/pkg/registry/core, strategies; pkg/apis/core/validation.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

import msgspec

from maru.core.document import Value
from maru.kinds.columns import core as columns
from maru.kinds.columns.workloads import REPLICATIONCONTROLLER_COLUMNS
from maru.kinds.defaults.pod_spec import default_pod_spec
from maru.kinds.pods import warn_template
from maru.kinds.rules.limits import check_limits, check_quota
from maru.kinds.rules.network import check_cidr, check_ordinary_ip
from maru.kinds.rules.pod_spec import check_template
from maru.kinds.rules.pods.scheduling import check_effect
from maru.kinds.rules.templated import check_lasting, check_plain_selector
from maru.kinds.rules.text import (
    check,
    check_not_negative,
    duplicate,
    forbidden,
    immutable,
    invalid,
    is_config_key,
    is_dns_label,
    is_label_value,
    is_port,
    is_qualified_name,
    required,
    too_long,
    unsupported,
)
from maru.kinds.strategy import Cause, Strategy

SECRET_BYTES_MAX = 1024 * 1024
_IMMUTABLE_WHY = "field is immutable when `immutable` is set"


class ConfigMapStrategy(Strategy):
    """Texts and bytes by key; frozen once `immutable` is set."""

    columns = columns.CONFIGMAP_COLUMNS
    has_status = False
    has_generation = False

    def validate(self, value: Value) -> Sequence[Cause]:
        causes: list[Cause] = []
        texts, binaries = value.get("data") or {}, value.get("binaryData") or {}
        for field, keys in (("data", texts), ("binaryData", binaries)):
            for key in keys:
                causes += check(is_config_key, f"{field}[{key}]", key)
        causes += [
            invalid(f"data[{key}]", key, "duplicate of key present in binaryData") for key in texts if key in binaries
        ]
        size = sum(len(str(text).encode()) for text in texts.values()) + sum(
            len(text) * 3 // 4 for text in binaries.values()
        )
        if size > SECRET_BYTES_MAX:
            causes.append(too_long("", SECRET_BYTES_MAX))
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        return _check_frozen(value, old, ("data", "binaryData"))


class SecretStrategy(Strategy):
    """Like a ConfigMap, with base64 values, a type that never changes, and keys that some types ask for."""

    columns = columns.SECRET_COLUMNS
    has_status = False
    has_generation = False
    _wanted: Mapping[str, tuple[str, ...]] = {
        "kubernetes.io/dockercfg": (".dockercfg",),
        "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
        "kubernetes.io/ssh-auth": ("ssh-privatekey",),
        "kubernetes.io/tls": ("tls.crt", "tls.key"),
    }

    def default(self, value: Value) -> None:
        if not value.get("type"):
            value["type"] = "Opaque"
        texts = value.pop("stringData", None)
        if texts:
            kept = value["data"] = value.get("data") or {}
            kept.update({key: base64.b64encode(text.encode()).decode() for key, text in texts.items()})

    def validate(self, value: Value) -> Sequence[Cause]:
        causes: list[Cause] = []
        contents = value.get("data") or {}
        size = 0
        for key, text in contents.items():
            causes += check(is_config_key, f"data[{key}]", key)
            try:
                size += len(base64.b64decode(text, validate=True))
            except (binascii.Error, TypeError):
                causes.append(invalid(f"data[{key}]", "<secret contents redacted>", "must be base64"))
        if size > SECRET_BYTES_MAX:
            causes.append(too_long("data", SECRET_BYTES_MAX))
        return [*causes, *self._check_type(value, contents)]

    def _check_type(self, value: Value, contents: Mapping[str, str]) -> list[Cause]:
        kind = value["type"]
        causes = [required(f"data[{key}]") for key in self._wanted.get(kind, ()) if key not in contents]
        if kind == "kubernetes.io/service-account-token":
            annotations = value["metadata"].get("annotations") or {}
            if not annotations.get("kubernetes.io/service-account.name"):
                causes.append(required("metadata.annotations[kubernetes.io/service-account.name]"))
        elif kind == "kubernetes.io/basic-auth" and not {"username", "password"} & contents.keys():
            causes += [required("data[username]"), required("data[password]")]
        elif kind in ("kubernetes.io/dockercfg", "kubernetes.io/dockerconfigjson"):
            (key,) = self._wanted[kind]
            if key in contents and not _is_json(contents[key]):
                causes.append(invalid(f"data[{key}]", "<secret contents redacted>", "invalid character"))
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        causes = [immutable("type", value["type"])] if value["type"] != old.get("type", "Opaque") else []
        return [*causes, *_check_frozen(value, old, ("data",))]

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        return {"type": value.get("type", "")}


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(base64.b64decode(text))
    except (msgspec.DecodeError, ValueError):
        return False
    return True


class NamespaceStrategy(Strategy):
    """Namespaces end through their finalizer, which only the finalize subresource changes."""

    columns = columns.NAMESPACE_COLUMNS
    has_generation = False

    def default(self, value: Value) -> None:
        labels = value["metadata"]["labels"] = value["metadata"].get("labels") or {}
        if value["metadata"].get("name"):
            labels["kubernetes.io/metadata.name"] = value["metadata"]["name"]

    def prepare_create(self, value: Value) -> None:
        value["status"] = {"phase": "Active"}
        finalizers = (value.get("spec") or {}).get("finalizers") or []
        value["spec"] = {"finalizers": finalizers if "kubernetes" in finalizers else [*finalizers, "kubernetes"]}

    def prepare_update(self, value: Value, old: Value, subresource: str) -> None:
        if subresource != "finalize":
            value["spec"] = old.get("spec") or {}
        if subresource != "status":
            value["status"] = old.get("status") or {}

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        return {"status.phase": (value.get("status") or {}).get("phase", "")}


class NodeStrategy(Strategy):
    """Nodes: the node itself writes status, people write taints and unschedulable."""

    columns = columns.NODE_COLUMNS
    has_generation = False

    def default(self, value: Value) -> None:
        value["spec"] = value.get("spec") or {}

    def validate(self, value: Value) -> Sequence[Cause]:
        causes = _check_taints(value["spec"].get("taints") or [])
        for index, text in enumerate(value["spec"].get("podCIDRs") or []):
            causes += check_cidr(text or "", f"spec.podCIDRs[{index}]")
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        causes: list[Cause] = []
        spec, before = value["spec"], old.get("spec") or {}
        if before.get("podCIDRs") and spec.get("podCIDRs") != before["podCIDRs"]:
            why = 'node updates may not change podCIDR except from "" to valid'
            causes.append(forbidden("spec.podCIDRs", why))
        if before.get("providerID") and spec.get("providerID") != before["providerID"]:
            why = 'node updates may not change providerID except from "" to valid'
            causes.append(forbidden("spec.providerID", why))
        return causes

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        return {"spec.unschedulable": "true" if (value.get("spec") or {}).get("unschedulable") else "false"}


def _check_taints(taints: Sequence[Value]) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[tuple[object, object]] = set()
    for index, taint in enumerate(taints):
        at, key, effect = f"spec.taints[{index}]", taint.get("key") or "", taint.get("effect") or ""
        causes += check(is_qualified_name, f"{at}.key", key)
        problems = is_label_value(taint.get("value") or "")
        if problems:
            causes.append(invalid(f"{at}.value", taint["value"], ";".join(problems)))
        causes += check_effect(effect, f"{at}.effect")
        if (key, effect) in seen:
            cause = duplicate(at, taint)
            causes.append(Cause(at, cause.reason, f"{cause.message}: taints must be unique by key and effect pair"))
        seen.add((key, effect))
    return causes


class EventStrategy(Strategy):
    """Events: selected by what they regard."""

    columns = columns.EVENT_COLUMNS
    has_status = False
    has_generation = False

    def validate(self, value: Value) -> Sequence[Cause]:
        about = (value.get("involvedObject") or {}).get("namespace") or ""
        mine = value["metadata"].get("namespace") or ""
        if about != mine and not (about == "" and mine in ("default", "kube-system")):
            return [invalid("involvedObject.namespace", about, "does not match event.namespace")]
        return ()

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        regarding = value.get("involvedObject") or {}
        fields = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        source = (value.get("source") or {}).get("component") or value.get("reportingComponent") or ""
        return {
            **{f"involvedObject.{name}": regarding.get(name, "") for name in fields},
            "reason": value.get("reason", ""),
            "reportingComponent": value.get("reportingComponent", ""),
            "source": source,
            "type": value.get("type", ""),
        }


class RegardingEventStrategy(EventStrategy):
    """Events as events.k8s.io shows them: the same fields to select by, under that group's names.

    Source: k8s.io/kubernetes/pkg/apis/events/v1, field label conversions.
    """

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        fields = super().selectable_fields(value)
        renamed = {
            f"regarding.{name.removeprefix('involvedObject.')}": text
            for name, text in fields.items()
            if name.startswith("involvedObject.")
        }
        controller = fields["reportingComponent"]
        return {**renamed, "reason": fields["reason"], "type": fields["type"], "reportingController": controller}


class ServiceAccountStrategy(Strategy):
    """Service accounts."""

    columns = columns.SERVICEACCOUNT_COLUMNS
    has_status = False
    has_generation = False


class EndpointsStrategy(Strategy):
    """Endpoints: addresses of a Service, in the older form."""

    columns = columns.ENDPOINTS_COLUMNS
    has_status = False
    has_generation = False

    def default(self, value: Value) -> None:
        for subset in value.get("subsets") or []:
            for port in subset.get("ports") or []:
                port.setdefault("protocol", "TCP")

    def validate(self, value: Value) -> Sequence[Cause]:
        causes: list[Cause] = []
        for index, subset in enumerate(value.get("subsets") or []):
            field = f"subsets[{index}]"
            if not subset.get("addresses") and not subset.get("notReadyAddresses"):
                causes.append(required(field, "must specify `addresses` or `notReadyAddresses`"))
            for group in ("addresses", "notReadyAddresses"):
                for number, address in enumerate(subset.get(group) or []):
                    causes += check_ordinary_ip(address.get("ip") or "", f"{field}.{group}[{number}].ip")
            causes += _check_endpoint_ports(subset.get("ports") or [], f"{field}.ports")
        return causes


def _check_endpoint_ports(ports: Sequence[Value], field: str) -> list[Cause]:
    causes: list[Cause] = []
    for number, port in enumerate(ports):
        at, name = f"{field}[{number}]", port.get("name") or ""
        if name:
            causes += check(is_dns_label, f"{at}.name", name)
        elif len(ports) > 1:
            causes.append(required(f"{at}.name"))
        causes += [invalid(f"{at}.port", port.get("port", 0), why) for why in is_port(port.get("port", 0))]
        if port.get("protocol") not in ("SCTP", "TCP", "UDP"):
            causes.append(unsupported(f"{at}.protocol", port.get("protocol"), ("SCTP", "TCP", "UDP")))
    return causes


class ReplicationControllerStrategy(Strategy):
    """The older form of a ReplicaSet: its selector is a plain map that follows the template's labels."""

    columns = REPLICATIONCONTROLLER_COLUMNS

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        if spec.get("replicas") is None:
            spec["replicas"] = 1
        template = spec.get("template")
        if template is not None:
            default_pod_spec(template.setdefault("spec", {}))
            labels = (template.get("metadata") or {}).get("labels")
            if labels:
                spec["selector"] = spec.get("selector") or dict(labels)
                value["metadata"]["labels"] = value["metadata"].get("labels") or dict(labels)

    def prepare_create(self, value: Value) -> None:
        value["status"] = {"replicas": 0}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes = check_not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
        causes += check_plain_selector(spec)
        causes += check_not_negative(spec.get("replicas"), "spec.replicas")
        template = spec.get("template")
        if template is None:
            return [*causes, required("spec.template")]
        return [*causes, *check_template(template, "spec.template"), *check_lasting(template, "spec.template")]

    def warnings(self, value: Value, old: Value | None = None) -> Sequence[str]:
        return warn_template(value, old, ("spec", "template"))

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        return {"status.replicas": str((value.get("status") or {}).get("replicas", 0))}


class LimitRangeStrategy(Strategy):
    """Limit ranges: a default that is not given follows from what is."""

    has_status = False
    has_generation = False

    def default(self, value: Value) -> None:
        for limit in (value.get("spec") or {}).get("limits") or []:
            if limit.get("type") != "Container":
                continue
            defaults = limit["default"] = limit.get("default") or {}
            requests = limit["defaultRequest"] = limit.get("defaultRequest") or {}
            for name, most in (limit.get("max") or {}).items():
                defaults.setdefault(name, most)
            for name, usual in defaults.items():
                requests.setdefault(name, usual)
            for name, least in (limit.get("min") or {}).items():
                requests.setdefault(name, least)

    def validate(self, value: Value) -> Sequence[Cause]:
        return check_limits((value.get("spec") or {}).get("limits") or [], "spec.limits")


class ResourceQuotaStrategy(Strategy):
    """Quotas: what is hard is written, what is used is counted."""

    columns = columns.RESOURCEQUOTA_COLUMNS
    has_generation = False

    def default(self, value: Value) -> None:
        value["spec"] = value.get("spec") or {}

    def prepare_create(self, value: Value) -> None:
        value["status"] = {}

    def validate(self, value: Value) -> Sequence[Cause]:
        return check_quota(value["spec"], "spec")

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        now, before = (set(one["spec"].get("scopes") or []) for one in (value, old))
        return [immutable("spec.scopes", value["spec"].get("scopes"))] if now != before else ()


def _check_frozen(value: Value, old: Value, fields: Sequence[str]) -> list[Cause]:
    if not old.get("immutable"):
        return []
    causes = [] if value.get("immutable") else [forbidden("immutable", _IMMUTABLE_WHY)]
    return causes + [
        forbidden(field, _IMMUTABLE_WHY) for field in fields if (value.get(field) or {}) != (old.get(field) or {})
    ]
