"""The strategy of one version of a custom kind: its schema's defaults and rules.

Source: apiextensions-apiserver pkg/registry/customresource/strategy.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.apiserver.custom.defaulting import Defaulter
from maru.components.apiserver.custom.validation import validate
from maru.core.document import Value
from maru.kinds.strategy import Cause, Strategy
from maru.wire.k8s.schema import TypeNode


class CustomStrategy(Strategy):
    """schema: openAPIV3Schema, {} if there is none."""

    def __init__(self, schema: Value, node: TypeNode) -> None:
        self._schema = schema
        self._defaulter = Defaulter(node)

    def default(self, value: Value) -> None:
        self._defaulter.fill(value)

    def validate(self, value: Value) -> Sequence[Cause]:
        return validate(self._schema, value, None)

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        return validate(self._schema, value, old)
