"""Discovery documents from the resources served: plain and aggregated.

Groups come in the order in which the resources name them first, versions by Kubernetes' version
priority (v2, v1, v1beta1), so the first one is the preferred one.
Source: Kubernetes API concepts, "API discovery"; apidiscovery.k8s.io/v2; k8s.io/apiserver/pkg/endpoints/discovery,
storageversionhash.go.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence

from maru.wire.k8s.schema import ResourceInfo, SubresourceInfo, Value

_VERSION = re.compile(r"v(\d{1,9})(?:(alpha|beta)(\d{1,9}))?", re.ASCII)
_LAST = 0x10FFFF  # the greatest code point
_STAGES = {None: 2, "beta": 1, "alpha": 0}


def version_priority(version: str) -> tuple[int, int, int, str]:
    """Sort key: the most stable and newest version is the greatest; other names come below, ascending reversed."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return (-1, 0, 0, "".join(chr(_LAST - ord(letter)) for letter in version) + chr(_LAST))
    return (_STAGES[found[2]], int(found[1]), int(found[3] or 0), "")


def api_versions(server_address: str) -> Value:
    """/api. server_address: host:port of this server."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    }


def api_group_list(resources: Sequence[ResourceInfo]) -> Value:
    """/apis: every named group, the preferred version first."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(group, versions) for group, versions in _versions(resources).items() if group],
    }


def api_group(resources: Sequence[ResourceInfo], group: str) -> Value | None:
    """/apis/GROUP, or None if no resource is of it."""
    versions = _versions(resources).get(group)
    return None if versions is None else {"kind": "APIGroup", "apiVersion": "v1", **_group(group, versions)}


def api_resource_list(
    resources: Sequence[ResourceInfo], group: str, version: str, stored_as: Mapping[ResourceInfo, str] | None = None
) -> Value | None:
    """/api/v1 or /apis/GROUP/VERSION, or None if no resource is of it.

    stored_as: GROUP/VERSION/KIND that a resource is kept as, told as a hash; one that is not in it has none.
    """
    rows: list[Value] = []
    for resource in resources:
        if (resource.group, resource.version) == (group, version):
            rows.append(_resource(resource, (stored_as or {}).get(resource, "")))
            rows += [_subresource(resource, one) for one in resource.subresources]
    if not rows:
        return None
    rows.sort(key=lambda row: str(row["name"]))
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": rows}


def aggregated(resources: Sequence[ResourceInfo], *, core: bool, version: str = "v2") -> Value:
    """APIGroupDiscoveryList for /api (`core`) or /apis, in apidiscovery.k8s.io `version` (v2 or v2beta1)."""
    by_version: dict[tuple[str, str], list[Value]] = {}
    for resource in resources:
        by_version.setdefault((resource.group, resource.version), []).append(_aggregated_resource(resource))
    items = [
        {
            "metadata": {"name": group} if group else {},
            "versions": [
                {"version": name, "resources": by_version[group, name], "freshness": "Current"} for name in versions
            ],
        }
        for group, versions in _versions(resources).items()
        if (group == "") == core
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _versions(resources: Sequence[ResourceInfo]) -> dict[str, list[str]]:
    """The versions of each group, preferred first."""
    found: dict[str, set[str]] = {}
    for resource in resources:
        found.setdefault(resource.group, set()).add(resource.version)
    return {group: sorted(names, key=version_priority, reverse=True) for group, names in found.items()}


def _group(group: str, versions: Sequence[str]) -> Value:
    shown = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": shown, "preferredVersion": shown[0]}


def _resource(resource: ResourceInfo, stored_as: str) -> Value:
    row: Value = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    if stored_as:
        row["storageVersionHash"] = base64.b64encode(hashlib.sha256(stored_as.encode()).digest()[:8]).decode()
    return row


def _subresource(resource: ResourceInfo, one: SubresourceInfo) -> Value:
    row: Value = {
        "name": f"{resource.plural}/{one.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": one.kind,
        "verbs": list(one.verbs),
    }
    if (one.group, one.version) != (resource.group, resource.version):
        row |= {"group": one.group, "version": one.version}
    return row


def _aggregated_resource(resource: ResourceInfo) -> Value:
    row: Value = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    if resource.subresources:
        row["subresources"] = [
            {
                "subresource": one.name,
                "responseKind": {"group": one.group, "version": one.version, "kind": one.kind},
                "verbs": list(one.verbs),
            }
            for one in resource.subresources
        ]
    return row
