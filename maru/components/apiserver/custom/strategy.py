"""The strategy of one version of a custom kind: its schema's defaults and rules.

Source: apiextensions-apiserver pkg/registry/customresource/strategy.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.apiserver.custom.defaulting import Defaulter
from maru.components.apiserver.custom.rules import RefusedRule, Ruled, check_rules, ruled
from maru.components.apiserver.custom.validation import validate
from maru.core.document import Value
from maru.core.errors import Broken
from maru.kinds.strategy import Cause, Strategy
from maru.wire.cel.functions import Library
from maru.wire.k8s.schema import TypeNode


class CustomStrategy(Strategy):
    """schema: openAPIV3Schema, {} if there is none. library: what its rules may call."""

    def __init__(self, schema: Value, node: TypeNode, library: Library) -> None:
        self._schema = schema
        self._defaulter = Defaulter(node)
        self._library = library
        self._rules: Ruled | None = None
        self._is_compiled = False

    def default(self, value: Value) -> None:
        self._defaulter.fill(value)

    def validate_create(self, value: Value) -> Sequence[Cause]:
        return self._check(value, None)

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        return self._check(value, old)

    def _check(self, value: Value, old: Value | None) -> Sequence[Cause]:
        causes = validate(self._schema, value, old)
        rules = self._compiled()
        if rules is None or causes:
            return causes
        return check_rules(rules, value, old)

    def _compiled(self) -> Ruled | None:
        """The rules, compiled when they are first needed."""
        if not self._is_compiled:
            try:
                self._rules = ruled(self._schema, self._library)
            except RefusedRule as error:
                raise Broken(what="a validation rule", why=error.why, fix="correct the definition's rule") from error
            self._is_compiled = True
        return self._rules
