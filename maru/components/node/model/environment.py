"""The variables of a container, and $(VAR) in its command, arguments and variables.

Order: envFrom, then env; what Services add stands behind both. Source: Kubernetes documentation,
"Define dependent environment variables"; third_party/forked/golang/expansion; pkg/kubelet/envvars.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from maru.components.node.errors import REASON_CONFIG, StartFailed
from maru.components.node.model.downward import Surroundings, field_value, resource_value
from maru.core.document import Value

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_MASTER = ("default", "kubernetes")


@dataclass(frozen=True, slots=True)
class Sources:
    """What variables are taken from. Absent documents are missing from the mappings."""

    configmaps: Mapping[str, Value] = field(default_factory=dict)
    secrets: Mapping[str, Value] = field(default_factory=dict)
    services: Sequence[Value] = ()
    around: Surroundings = field(default_factory=lambda: Surroundings(""))


def variables(pod: Value, container: Value, sources: Sources) -> dict[str, str]:
    """Name to value, in the order of definition. Raises StartFailed when a reference is missing."""
    found: dict[str, str] = {}
    for entry in container.get("envFrom") or ():
        found.update(_from_whole(pod, entry, sources))
    service_variables = dict(_service_variables(pod, sources.services))
    for entry in container.get("env") or ():
        name = entry["name"]
        source = entry.get("valueFrom")
        if source is None:
            known = {**service_variables, **found}
            found[name] = expand(entry.get("value") or "", known)
            continue
        value = _from_source(pod, container, source, sources)
        if value is not None:
            found[name] = value
    for name, value in service_variables.items():
        found.setdefault(name, value)
    return found


def expand(text: str, known: Mapping[str, str]) -> str:
    """$(NAME) is replaced when known and left as written when not; $$ stands for one dollar."""

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return known.get(match[1], match[0])

    return _REFERENCE.sub(replace, text)


def key_value(kind: str, document: Value | None, key: str) -> str | None:
    """One key of a ConfigMap or Secret as text, None when it is not there."""
    if document is None:
        return None
    if kind == "configmap":
        value = (document.get("data") or {}).get(key)
        return None if value is None else str(value)
    encoded = (document.get("data") or {}).get(key)
    return None if encoded is None else base64.b64decode(encoded).decode("utf-8", "surrogateescape")


def _from_whole(pod: Value, entry: Value, sources: Sources) -> Iterable[tuple[str, str]]:
    prefix = entry.get("prefix") or ""
    for field_name, kind, documents in _kinds(sources):
        reference = entry.get(field_name.replace("KeyRef", "Ref"))
        if not reference:
            continue
        document = documents.get(reference["name"])
        if document is None:
            if reference.get("optional"):
                continue
            raise StartFailed(REASON_CONFIG, f'{kind} "{reference["name"]}" not found')
        for key in sorted(document.get("data") or {}):
            value = key_value(kind, document, key)
            if value is not None and "=" not in key:
                yield prefix + key, value


def _kinds(sources: Sources) -> Sequence[tuple[str, str, Mapping[str, Value]]]:
    return (("configMapKeyRef", "configmap", sources.configmaps), ("secretKeyRef", "secret", sources.secrets))


def _from_source(pod: Value, container: Value, source: Value, sources: Sources) -> str | None:
    if source.get("fieldRef"):
        return field_value(pod, source["fieldRef"]["fieldPath"], sources.around)
    if source.get("resourceFieldRef"):
        return resource_value(pod, source["resourceFieldRef"], container["name"], sources.around)
    for field_name, kind, documents in _kinds(sources):
        reference = source.get(field_name)
        if not reference:
            continue
        name, key = reference.get("name", ""), reference["key"]
        document = documents.get(name)
        value = key_value(kind, document, key)
        if value is None and not reference.get("optional"):
            if document is None:
                raise StartFailed(REASON_CONFIG, f'{kind} "{name}" not found')
            title = "ConfigMap" if kind == "configmap" else "Secret"
            raise StartFailed(
                REASON_CONFIG, f"couldn't find key {key} in {title} {pod['metadata']['namespace']}/{name}"
            )
        return value
    raise StartFailed(REASON_CONFIG, f"unsupported valueFrom {sorted(source)}")


def _service_variables(pod: Value, services: Sequence[Value]) -> Iterable[tuple[str, str]]:
    links = pod["spec"].get("enableServiceLinks", True)
    namespace = pod["metadata"]["namespace"]
    chosen: dict[str, Value] = {}
    for service in services:
        metadata = service["metadata"]
        place = (metadata["namespace"], metadata["name"])
        if service["spec"].get("clusterIP") in (None, "", "None"):
            continue
        if links and metadata["namespace"] == namespace:
            chosen[metadata["name"]] = service
        elif place == _MASTER:
            chosen.setdefault(metadata["name"], service)
    for name in sorted(chosen):
        yield from _of_service(name, chosen[name])


def _of_service(name: str, service: Value) -> Iterable[tuple[str, str]]:
    prefix = _variable_name(name)
    address = service["spec"]["clusterIP"]
    host = f"[{address}]" if ":" in address else address
    ports = service["spec"].get("ports") or ()
    yield f"{prefix}_SERVICE_HOST", address
    for place, port in enumerate(ports):
        if place == 0:
            yield f"{prefix}_SERVICE_PORT", str(port["port"])
        if port.get("name"):
            yield f"{prefix}_SERVICE_PORT_{_variable_name(port['name'])}", str(port["port"])
    for place, port in enumerate(ports):
        protocol = port.get("protocol", "TCP")
        url = f"{protocol.lower()}://{host}:{port['port']}"
        if place == 0:
            yield f"{prefix}_PORT", url
        link = f"{prefix}_PORT_{port['port']}_{protocol}"
        yield link, url
        yield f"{link}_PROTO", protocol.lower()
        yield f"{link}_PORT", str(port["port"])
        yield f"{link}_ADDR", address


def _variable_name(name: str) -> str:
    return name.upper().replace("-", "_")
