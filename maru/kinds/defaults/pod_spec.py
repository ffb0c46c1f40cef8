"""Defaults of a Pod's specification, for Pods and for every template of them.

Source: Kubernetes API reference, Pod v1; k8s.io/kubernetes/pkg/apis/core/v1, defaults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from maru.core.document import Value

FILE_MODE = 0o644  # 420 in JSON
TOKEN_LIFE_S = 3600
_SOURCE_DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "kind": "Shared", "readOnly": False},
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"},
    "scaleIO": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
}


def default_pod_spec(spec: Value) -> None:
    """Everything but what only Pods themselves get (`default_pod_only`)."""
    spec["dnsPolicy"] = spec.get("dnsPolicy") or "ClusterFirst"
    spec["restartPolicy"] = spec.get("restartPolicy") or "Always"
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec["schedulerName"] = spec.get("schedulerName") or "default-scheduler"
    _mirror_service_account(spec)
    for container in all_containers(spec):
        _default_container(container)
    for volume in spec.get("volumes") or []:
        _default_volume(volume)


def default_pod_only(spec: Value) -> None:
    """What a Pod gets and a template does not."""
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        resources = container.get("resources") or {}
        limits = resources.get("limits") or {}
        if limits:
            requests = resources.setdefault("requests", {})
            for name, limit in limits.items():
                requests.setdefault(name, limit)
        for port in container.get("ports") or [] if spec.get("hostNetwork") else []:
            port["hostPort"] = port.get("hostPort") or port.get("containerPort", 0)


def all_containers(spec: Value) -> Iterator[Value]:
    """Init, regular and ephemeral containers, in this order."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or []


def _mirror_service_account(spec: Value) -> None:
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if name:
        spec["serviceAccountName"] = name
        spec["serviceAccount"] = name


def _default_container(container: Value) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = "Always" if _is_latest(container.get("image", "")) else "IfNotPresent"
    container["terminationMessagePath"] = container.get("terminationMessagePath") or "/dev/termination-log"
    container["terminationMessagePolicy"] = container.get("terminationMessagePolicy") or "File"
    container.setdefault("resources", {})
    for port in container.get("ports") or []:
        port["protocol"] = port.get("protocol") or "TCP"
    for variable in container.get("env") or []:
        field = (variable.get("valueFrom") or {}).get("fieldRef")
        if field is not None:
            field.setdefault("apiVersion", "v1")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name):
            _default_probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _default_http(hook.get("httpGet"))


def _is_latest(image: str) -> bool:
    """True where the reference has no tag or the tag latest, and no digest."""
    if "@" in image:
        return False
    name = image.rpartition("/")[2]
    return ":" not in name or name.endswith(":latest")


def _default_probe(probe: Value) -> None:
    for name, number in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not probe.get(name):
            probe[name] = number
    _default_http(probe.get("httpGet"))
    grpc = probe.get("grpc")
    if grpc is not None:
        grpc.setdefault("service", "")


def _default_http(action: Value | None) -> None:
    if action is not None:
        if not action.get("path"):
            action["path"] = "/"
        if not action.get("scheme"):
            action["scheme"] = "HTTP"


def _default_volume(volume: Value) -> None:
    if all(volume.get(field) is None for field in volume if field != "name"):
        volume["emptyDir"] = {}
    for field in ("secret", "configMap", "downwardAPI", "projected"):
        source = volume.get(field)
        if source is not None:
            source.setdefault("defaultMode", FILE_MODE)
            _default_projections(source)
    for field, usual in _SOURCE_DEFAULTS.items():
        source = volume.get(field)
        if source is not None:
            for name, value in usual.items():
                source.setdefault(name, value)
    if volume.get("image") is not None and not volume["image"].get("pullPolicy"):
        volume["image"]["pullPolicy"] = "Always" if _is_latest(volume["image"].get("reference", "")) else "IfNotPresent"
    claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if claim is not None:
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")


def _default_projections(source: Value) -> None:
    for projection in source.get("sources") or []:
        token = projection.get("serviceAccountToken")
        if token is not None:
            token.setdefault("expirationSeconds", TOKEN_LIFE_S)
        _default_field_references((projection.get("downwardAPI") or {}).get("items") or [])
    _default_field_references(source.get("items") or [])


def _default_field_references(items: list[Value]) -> None:
    for item in items:
        if item.get("fieldRef"):
            item["fieldRef"].setdefault("apiVersion", "v1")
