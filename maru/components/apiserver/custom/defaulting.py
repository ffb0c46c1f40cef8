"""Defaults of a structural schema, filled into a custom resource.

Source: Kubernetes docs, "Extend the Kubernetes API with CustomResourceDefinitions", defaulting.
"""

from __future__ import annotations

import copy

from maru.core.document import Value
from maru.wire.k8s.schema import TypeNode

_OWN = frozenset({"apiVersion", "kind", "metadata"})


class Defaulter:
    """Fills defaults of one type; knows beforehand which parts have any."""

    def __init__(self, node: TypeNode) -> None:
        self._node = node
        self._has: dict[int, bool] = {}
        self._is_needed = self._find(node, 0)

    def fill(self, value: Value) -> None:
        """Change `value` in place."""
        if self._is_needed:
            self._fill_fields(self._node, value, is_root=True)

    def _fill(self, node: TypeNode, value: object) -> None:
        if not self._has.get(id(node), True):
            return
        if isinstance(value, dict):
            self._fill_fields(node, value, is_root=False)
            if node.items is not None:
                for one in value.values():
                    self._fill(node.items, one)
        elif isinstance(value, list) and node.items is not None:
            for one in value:
                self._fill(node.items, one)

    def _fill_fields(self, node: TypeNode, value: Value, *, is_root: bool) -> None:
        for name, field in node.fields.items():
            if is_root and name in _OWN:
                continue
            if field.has_default and (name not in value or (value[name] is None and not field.nullable)):
                value[name] = copy.deepcopy(field.default)
            if name in value:
                self._fill(field, value[name])

    def _find(self, node: TypeNode, depth: int) -> bool:
        """Whether a default stands in or below `node`; remembered by identity, as nodes live with the kind."""
        known = self._has.get(id(node))
        if known is not None:
            return known
        self._has[id(node)] = False
        found = any(
            (name not in _OWN or depth > 0) and (field.has_default or self._find(field, depth + 1))
            for name, field in node.fields.items()
        )
        if node.items is not None and not found:
            found = self._find(node.items, depth + 1)
        self._has[id(node)] = found
        return found
