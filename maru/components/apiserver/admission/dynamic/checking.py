"""Configured admission is checked when it is written: expressions that cannot be compiled are refused.

Source: k8s.io/kubernetes/pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from maru.components.apiserver.admission.dynamic.configurations import (
    MUTATING_POLICIES,
    MUTATING_WEBHOOKS,
    VALIDATING_POLICIES,
    VALIDATING_WEBHOOKS,
)
from maru.components.apiserver.admission.dynamic.expressions import CONDITION, POLICY, Expressions
from maru.components.apiserver.admission.review import CREATE, UPDATE, Review, Rule
from maru.components.apiserver.errors import raise_causes
from maru.core.document import Resource, Value
from maru.kinds.rules.text import invalid, required
from maru.kinds.strategy import Cause
from maru.wire.cel.errors import CompileError
from maru.wire.cel.types import Type, object_of

_KINDS = frozenset(
    one.storage for one in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS, MUTATING_POLICIES, VALIDATING_POLICIES)
)


class AdmissionConfiguration(Rule):
    """Refuses webhooks and policies whose expressions do not compile."""

    name = "AdmissionConfiguration"

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Writes of webhook configurations and policies."""
        return operation in (CREATE, UPDATE) and resource.storage in _KINDS and not subresource

    async def check(self, review: Review) -> None:
        """Raises Invalid."""
        value, old = review.value or {}, review.old or {}
        if value.get("webhooks") is not None or "spec" not in value:
            causes = list(self._webhooks(value))
        elif old.get("spec") == value.get("spec"):
            return
        else:
            causes = list(self._policy(value["spec"], is_mutation=review.resource.storage == MUTATING_POLICIES.storage))
        raise_causes(review.stored, review.name, causes)

    def _webhooks(self, value: Value) -> Iterable[Cause]:
        for index, webhook in enumerate(value.get("webhooks") or ()):
            yield from self._conditions(webhook.get("matchConditions") or (), f"webhooks[{index}]", CONDITION)

    def _conditions(self, conditions: Iterable[Value], path: str, types: Mapping[str, Type]) -> Iterable[Cause]:
        for index, one in enumerate(conditions):
            field = f"{path}.matchConditions[{index}]"
            if not one.get("name"):
                yield required(f"{field}.name")
            yield from self._bool(one.get("expression") or "", f"{field}.expression", types)

    def _bool(self, text: str, field: str, types: Mapping[str, Type], wanted: str = "bool") -> Iterable[Cause]:
        if not text.strip():
            yield required(field)
            return
        try:
            program = self._expressions.program(text, types)
        except CompileError as error:
            yield invalid(field, text, f"compilation failed: {error}")
            return
        if program.result.kind not in (wanted, "dyn"):
            yield invalid(field, text, f"must evaluate to {wanted}")

    def _policy(self, spec: Value, *, is_mutation: bool) -> Iterable[Cause]:
        types: Mapping[str, Type] = POLICY
        if not (spec.get("matchConstraints") or {}).get("resourceRules"):
            yield required("spec.matchConstraints.resourceRules")
        kinds: dict[str, Type] = {}
        for index, one in enumerate(spec.get("variables") or ()):
            field = f"spec.variables[{index}].expression"
            types = {**POLICY, "variables": object_of(f"check({index})", dict(kinds).get)}
            try:
                program = self._expressions.compiled_once(one.get("expression") or "", types, is_mutation=is_mutation)
            except CompileError as error:
                yield invalid(field, one.get("expression"), f"compilation failed: {error}")
                return
            kinds[one["name"]] = program.result
        types = {**POLICY, "variables": object_of("check", dict(kinds).get)}
        yield from self._conditions(spec.get("matchConditions") or (), "spec", POLICY)
        parts = self._mutations(spec) if is_mutation else self._validations(spec)
        for field, text, wanted in parts:
            yield from self._fits(field, text, wanted, types)

    def _fits(self, field: str, text: str, wanted: tuple[str, ...], types: Mapping[str, Type]) -> Iterable[Cause]:
        if not text.strip():
            yield required(field)
            return
        try:
            program = self._expressions.compiled_once(text, types, is_mutation="mutations" in field)
        except CompileError as error:
            yield invalid(field, text, f"compilation failed: {error}")
            return
        if program.result.kind not in (*wanted, "dyn"):
            yield invalid(field, text, f"must evaluate to {' or '.join(wanted)}")

    def _validations(self, spec: Value) -> Iterable[tuple[str, str, tuple[str, ...]]]:
        for index, one in enumerate(spec.get("validations") or ()):
            yield f"spec.validations[{index}].expression", one.get("expression") or "", ("bool",)
            if one.get("messageExpression"):
                yield f"spec.validations[{index}].messageExpression", one["messageExpression"], ("string",)
        for index, one in enumerate(spec.get("auditAnnotations") or ()):
            field = f"spec.auditAnnotations[{index}].valueExpression"
            yield field, one.get("valueExpression") or "", ("string", "null_type")

    def _mutations(self, spec: Value) -> Iterable[tuple[str, str, tuple[str, ...]]]:
        for index, one in enumerate(spec.get("mutations") or ()):
            field = f"spec.mutations[{index}]"
            if one.get("patchType") == "JSONPatch":
                yield f"{field}.jsonPatch.expression", (one.get("jsonPatch") or {}).get("expression") or "", ("list",)
            else:
                text = (one.get("applyConfiguration") or {}).get("expression") or ""
                yield f"{field}.applyConfiguration.expression", text, ("object", "map")
