"""Bodies to values: JSON, YAML and the API's protobuf envelope.

Source: Kubernetes API concepts, "Alternate representations of resources" and "Field validation".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from maru.wire.k8s.schema import Schema

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"


@dataclass(frozen=True, slots=True)
class Decoded:
    """value: plain JSON. duplicates: messages (`duplicate field "a.b"`) for strict decoding."""

    value: Any
    duplicates: tuple[str, ...] = ()


def decode(body: bytes, content_type: str, schema: Schema) -> Decoded:
    """Read a body by its Content-Type (empty means JSON; parameters are ignored).

    Raises Malformed if it cannot be read or nests too deep, UnsupportedMedia for another type.
    """
    raise NotImplementedError
