"""Discovery documents from the resources served: plain and aggregated.

Source: Kubernetes API concepts, "API discovery"; apidiscovery.k8s.io/v2.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.wire.k8s.schema import ResourceInfo, Value


def api_versions(server_address: str) -> Value:
    """/api."""
    raise NotImplementedError


def api_group_list(resources: Sequence[ResourceInfo]) -> Value:
    """/apis: every named group, the preferred version first."""
    raise NotImplementedError


def api_group(resources: Sequence[ResourceInfo], group: str) -> Value | None:
    """/apis/GROUP, or None if no resource is of it."""
    raise NotImplementedError


def api_resource_list(resources: Sequence[ResourceInfo], group: str, version: str) -> Value | None:
    """/api/v1 or /apis/GROUP/VERSION, or None if no resource is of it."""
    raise NotImplementedError


def aggregated(resources: Sequence[ResourceInfo], *, core: bool, version: str = "v2") -> Value:
    """APIGroupDiscoveryList for /api (`core`) or /apis, in apidiscovery.k8s.io `version` (v2 or v2beta1)."""
    raise NotImplementedError
