"""TypeNodes from a CustomResourceDefinition's structural schema.

The same TypeNode as for built-in kinds, so that pruning, strict decoding, defaulting and
server-side apply serve custom resources too.
Source: Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions", structural schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maru.wire.k8s.schema import Schema, TypeNode

DEPTH_MAX = 64


def from_structural_schema(schema: Mapping[str, Any], builtin: Schema) -> TypeNode:
    """The type of a custom resource's document from its openAPIV3Schema.

    apiVersion, kind and metadata are added as the API server adds them; `builtin` gives ObjectMeta.
    Raises Malformed if it nests deeper than DEPTH_MAX.
    """
    raise NotImplementedError


def without_schema(builtin: Schema) -> TypeNode:
    """The type of a custom resource that keeps everything: only metadata is typed."""
    raise NotImplementedError
