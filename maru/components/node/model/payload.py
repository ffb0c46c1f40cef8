"""What stands in the files of configMap, secret, downwardAPI and projected volumes.

Source: Kubernetes documentation, "Projected Volumes"; pkg/volume/configmap, MakePayload;
pkg/volume/secret; pkg/volume/downwardapi, CollectData; pkg/volume/projected.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from maru.components.node.errors import MountFailed, StartFailed
from maru.components.node.model.downward import Surroundings, field_value, resource_value
from maru.core.document import Value

MODE_DEFAULT = 0o644
TOKEN_SECONDS_DEFAULT = 3600


@dataclass(frozen=True, slots=True)
class File:
    """One file of a volume. mode: permission bits."""

    content: bytes
    mode: int


Payload = dict[str, File]
"""Files by path inside the volume, parts separated by /."""


@dataclass(frozen=True, slots=True)
class Material:
    """What payloads are made from; absent documents are missing. tokens: by (audience, seconds)."""

    configmaps: Mapping[str, Value]
    secrets: Mapping[str, Value]
    tokens: Mapping[tuple[str, int], str]
    around: Surroundings


def is_written(volume: Value) -> bool:
    """True for volumes whose files the node writes and keeps up to date."""
    return any(volume.get(kind) is not None for kind in ("configMap", "secret", "downwardAPI", "projected"))


def references(pod: Value) -> set[tuple[str, str]]:
    """Every (configmap or secret, name) that the Pod's volumes, variables and pulls name."""
    found: set[tuple[str, str]] = set()
    for volume in pod["spec"].get("volumes") or ():
        for source in _sources(volume):
            if source.get("configMap"):
                found.add(("configmap", source["configMap"].get("name", "")))
            if source.get("secret"):
                found.add(("secret", source["secret"].get("secretName") or source["secret"].get("name", "")))
    spec = pod["spec"]
    for group in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(group) or ():
            found |= _variable_references(container)
    return {(kind, name) for kind, name in found if name}


def _variable_references(container: Value) -> set[tuple[str, str]]:
    found = set()
    for entry in container.get("envFrom") or ():
        for field, kind in (("configMapRef", "configmap"), ("secretRef", "secret")):
            if entry.get(field):
                found.add((kind, entry[field].get("name", "")))
    for entry in container.get("env") or ():
        source = entry.get("valueFrom") or {}
        for field, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
            if source.get(field):
                found.add((kind, source[field].get("name", "")))
    return found


def token_requests(volume: Value) -> Iterable[tuple[str, int]]:
    """(audience, seconds) of every service account token the volume holds; "" is the API's own audience."""
    for source in _sources(volume):
        token = source.get("serviceAccountToken")
        if token:
            yield token.get("audience") or "", int(token.get("expirationSeconds") or TOKEN_SECONDS_DEFAULT)


def payload_of(pod: Value, volume: Value, material: Material) -> Payload:
    """The files that should be there now. Raises MountFailed when something needed is missing."""
    name = volume["name"]
    files: Payload = {}
    for kind in ("configMap", "secret", "downwardAPI", "projected"):
        if volume.get(kind) is not None:
            mode = volume[kind].get("defaultMode")
            break
    mode = MODE_DEFAULT if mode is None else mode
    for source in _sources(volume):
        files.update(_of_source(pod, name, source, mode, material))
    return files


def _sources(volume: Value) -> Iterable[Value]:
    """A written volume as a list of projected sources."""
    if volume.get("projected") is not None:
        yield from volume["projected"].get("sources") or ()
    for kind in ("configMap", "secret", "downwardAPI"):
        if volume.get(kind) is not None:
            yield {kind: volume[kind]}


def _of_source(pod: Value, name: str, source: Value, mode: int, material: Material) -> Payload:
    if source.get("configMap"):
        reference = source["configMap"]
        wanted = reference.get("name", "")
        document = material.configmaps.get(wanted)
        contents = None if document is None else _configmap_contents(document)
        if contents is None and not reference.get("optional"):
            raise MountFailed(name, f'configmap "{wanted}" not found')
        return _select(_Wanted(name, "config", reference, mode), contents or {})
    if source.get("secret"):
        reference = source["secret"]
        wanted = reference.get("secretName") or reference.get("name", "")
        document = material.secrets.get(wanted)
        contents = None
        if document is not None:
            contents = {key: base64.b64decode(value) for key, value in (document.get("data") or {}).items()}
        if contents is None and not reference.get("optional"):
            raise MountFailed(name, f'secret "{wanted}" not found')
        return _select(_Wanted(name, "secret", reference, mode), contents or {})
    if source.get("serviceAccountToken"):
        token = source["serviceAccountToken"]
        key = (token.get("audience") or "", int(token.get("expirationSeconds") or TOKEN_SECONDS_DEFAULT))
        if key not in material.tokens:
            raise MountFailed(name, "failed to fetch token")
        return {token["path"]: File(material.tokens[key].encode(), mode)}
    if source.get("downwardAPI") is not None:
        return _downward(pod, name, source["downwardAPI"], mode, material.around)
    raise MountFailed(name, f"projected source {', '.join(sorted(source))} is not supported by this node")


def _configmap_contents(document: Value) -> dict[str, bytes]:
    contents = {key: str(value).encode() for key, value in (document.get("data") or {}).items()}
    for key, value in (document.get("binaryData") or {}).items():
        contents[key] = base64.b64decode(value)
    return contents


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a volume takes of a ConfigMap or Secret. kind: config or secret, as messages name it."""

    volume: str
    kind: str
    reference: Value
    mode: int


def _select(wanted: _Wanted, contents: Mapping[str, bytes]) -> Payload:
    items = wanted.reference.get("items")
    if not items:
        return {key: File(content, wanted.mode) for key, content in contents.items()}
    files: Payload = {}
    for item in items:
        if item["key"] not in contents:
            if wanted.reference.get("optional"):
                continue
            raise MountFailed(wanted.volume, f"references non-existent {wanted.kind} key: {item['key']}")
        item_mode = item.get("mode")
        files[item["path"]] = File(contents[item["key"]], wanted.mode if item_mode is None else item_mode)
    return files


def _downward(pod: Value, name: str, source: Value, mode: int, around: Surroundings) -> Payload:
    files: Payload = {}
    for item in source.get("items") or ():
        item_mode = mode if item.get("mode") is None else item["mode"]
        try:
            if item.get("fieldRef"):
                text = field_value(pod, item["fieldRef"]["fieldPath"], around)
            else:
                text = resource_value(pod, item["resourceFieldRef"], "", around)
        except StartFailed as error:
            raise MountFailed(name, error.message) from error
        files[item["path"]] = File(text.encode(), item_mode)
    return files
