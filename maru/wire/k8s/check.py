"""Type checking as the real server's decoder does it: wrong types, unknown fields, nulls.

A value is first looked at by one compiled closure per type that only says "clean"; the slow walk
that names fields runs only when it is not.
Source: Kubernetes API concepts, "Field validation"; messages as encoding/json and sigs.k8s.io/json word them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from maru.wire.k8s.schema import TypeNode


@dataclass(frozen=True, slots=True)
class Checked:
    """value: pruned, nulls dropped (the given one if it was clean). unknown: `unknown field "spec.foo"`."""

    value: Any
    unknown: tuple[str, ...] = ()


def check(node: TypeNode, value: Any) -> Checked:
    """Check `value` against its type and drop what the type does not know.

    Raises Malformed with the decoder's message (`json: cannot unmarshal string into Go struct field
    DeploymentSpec.spec.replicas of type int32`).
    """
    raise NotImplementedError
