"""OpenAPI v3 (an index and one document per group version) and v2, from schema and resources.

kubectl explain, kubectl create and apply --validate and kubectl diff read these.
Source: Kubernetes docs, "The Kubernetes API", OpenAPI; OpenAPI specification 3.0 and 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from maru.wire.k8s.schema import ResourceInfo, Schema, Value


@dataclass(frozen=True, slots=True)
class CustomSchema:
    """A custom resource's version: its resource and openAPIV3Schema ({} if it has none)."""

    resource: ResourceInfo
    schema: Mapping[str, Any] = field(default_factory=dict)


def v3_index(resources: Sequence[ResourceInfo], hashes: Mapping[str, str]) -> Value:
    """/openapi/v3. hashes: by path as `v3_paths` names them; they make clients cache forever."""
    raise NotImplementedError


def v3_paths(resources: Sequence[ResourceInfo]) -> Sequence[str]:
    """The documents there are: api/v1, apis/apps/v1, ..., ascending."""
    raise NotImplementedError


def v3_document(
    schema: Schema, resources: Sequence[ResourceInfo], path: str, custom: Sequence[CustomSchema] = ()
) -> Value | None:
    """The document of one group version (api/v1, apis/apps/v1), or None. Slow (tens of ms): keep the bytes."""
    raise NotImplementedError


def v2_document(schema: Schema, resources: Sequence[ResourceInfo], custom: Sequence[CustomSchema] = ()) -> Value:
    """/openapi/v2 (swagger.json). Slow (hundreds of ms): keep the bytes."""
    raise NotImplementedError
