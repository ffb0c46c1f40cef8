"""The kinds of what podman has and docker has not: pods, secrets, manifest lists, as custom resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from maru.core.document import Resource, Value
from maru.kinds.custom import Column, definition

GROUP = "engine.maru.dev"
PODS = Resource(GROUP, "v1", "containerpods", "ContainerPod", namespaced=False)
SECRETS = Resource(GROUP, "v1", "containersecrets", "ContainerSecret", namespaced=False)
MANIFESTS = Resource(GROUP, "v1", "manifestlists", "ManifestList", namespaced=False)

_COLUMNS: Mapping[Resource, Sequence[Column]] = {
    PODS: (("Called", ".spec.name"), ("Infra", ".spec.infra")),
    SECRETS: (("Called", ".spec.name"), ("Driver", ".spec.driver")),
    MANIFESTS: (("Called", ".spec.name"),),
}


class Pod(msgspec.Struct, rename="camel"):
    """id: 64 hexadecimal digits. created: RFC 3339. infra: id of its infra container, "" without one.

    shared: net, ipc, uts, pid. command: how the client was called.
    """

    id: str
    name: str
    created: str
    labels: dict[str, str] = {}
    hostname: str = ""
    infra: str = ""
    shared: list[str] = []
    command: list[str] = []
    restart_policy: str = ""
    cgroup_parent: str = ""


class Secret(msgspec.Struct, rename="camel"):
    """id: 25 hexadecimal digits. created, updated: RFC 3339. sealed: its bytes, encrypted, in base64."""

    id: str
    name: str
    created: str
    updated: str
    sealed: str
    driver: str = "file"
    options: dict[str, str] = {}
    labels: dict[str, str] = {}


def definition_of(resource: Resource) -> Value:
    """The CustomResourceDefinition of one kind."""
    return definition(resource, None, _COLUMNS[resource])


def read_pod(value: Value) -> Pod:
    """Raises msgspec.ValidationError."""
    return msgspec.convert(value.get("spec"), Pod)


def read_secret(value: Value) -> Secret:
    """Raises msgspec.ValidationError."""
    return msgspec.convert(value.get("spec"), Secret)


class Listed(msgspec.Struct, rename="camel", omit_defaults=True):
    """One image of a manifest list. size: of its manifest, in bytes. features, annotations: as they were given."""

    digest: str
    media_type: str
    size: int
    architecture: str
    os: str
    variant: str = ""
    os_version: str = ""
    os_features: list[str] = []
    features: list[str] = []
    annotations: dict[str, str] = {}


class ManifestList(msgspec.Struct, rename="camel"):
    """id: 64 hexadecimal digits. name: full, with its tag."""

    id: str
    name: str
    entries: list[Listed] = []
    annotations: dict[str, str] = {}


def read_manifest_list(value: Value) -> ManifestList:
    """Raises msgspec.ValidationError."""
    return msgspec.convert(value.get("spec"), ManifestList)
