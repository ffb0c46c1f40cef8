"""ValidatingAdmissionPolicy and MutatingAdmissionPolicy: CEL instead of a webhook.

Source: Kubernetes docs, "Validating Admission Policy" and "Mutating Admission Policy"; k8s.io/apiserver
pkg/admission/plugin/policy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import msgspec

from maru.components.apiserver.admission.dynamic.configurations import (
    MUTATING_BINDINGS,
    MUTATING_POLICIES,
    VALIDATING_BINDINGS,
    VALIDATING_POLICIES,
)
from maru.components.apiserver.admission.dynamic.expressions import POLICY
from maru.components.apiserver.admission.dynamic.matching import Place, is_exempt, of_policy
from maru.components.apiserver.admission.dynamic.parameters import Unconfigured, parameters_of
from maru.components.apiserver.admission.dynamic.requests import objects_of
from maru.components.apiserver.admission.dynamic.webhooks import Dynamic
from maru.components.apiserver.admission.review import CONNECT, DELETE, Review, Rule
from maru.components.apiserver.errors import denied
from maru.components.apiserver.model.catalog import Catalog
from maru.core.document import Resource, Value
from maru.wire.cel.compiler import Late
from maru.wire.cel.errors import CelError, EvaluationError, OutOfBudget
from maru.wire.cel.program import Program
from maru.wire.cel.types import Type, object_of
from maru.wire.cel.values import Opaque
from maru.wire.k8s.errors import WireError
from maru.wire.k8s.patch import json_patch
from maru.wire.k8s.typed import merge

POLICY_COST_MAX = 1_000_000
"""What one policy may spend on one write, about a second; the real server allows 10,000,000, which takes too long."""
MESSAGE_CHARACTERS_MAX = 5 * 1024
_CODES: Mapping[str, int] = {"Unauthorized": 401, "Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}


@dataclass(frozen=True, slots=True)
class Finding:
    """A validation that did not hold."""

    message: str
    reason: str = "Invalid"


class Evaluation:
    """One policy with one binding on one write."""

    def __init__(self, dynamic: Dynamic, policy: Value, values: dict[str, object], *, is_mutation: bool) -> None:
        self._expressions = dynamic.expressions
        self._is_mutation = is_mutation
        self._left = POLICY_COST_MAX
        self.types, lazy = self._variables(policy["spec"].get("variables") or ())
        self.values: dict[str, object] = {**values, "variables": lazy}

    def program(self, text: str) -> Program:
        """Raises CompileError."""
        return self._expressions.program(text, self.types, is_mutation=self._is_mutation)

    def of(self, text: str) -> object:
        """The value of an expression. Raises CelError."""
        return self._spent(self.program(text))

    def _spent(self, program: Program) -> object:
        try:
            value, cost = program.evaluate(self.values, self._left)
        except OutOfBudget:
            self._left = 0  # nothing is left for the policy's other expressions
            raise
        except EvaluationError as error:
            self._left -= error.cost
            raise
        self._left -= cost
        return value

    def _variables(self, given: Sequence[Value]) -> tuple[Mapping[str, Type], dict[str, object]]:
        """The types with `variables` in them, and the variables, each worked out when it is first used."""
        lazy: dict[str, object] = {}
        kinds: dict[str, Type] = {}
        types: dict[str, Type] = {**POLICY, "variables": object_of("kubernetes.variables", kinds.get)}
        for number, one in enumerate(given):
            # The name carries what stood before, so that programs of different policies are kept apart.
            before = ";".join(f"{other['name']}={other['expression']}" for other in given[:number])
            types = {**POLICY, "variables": object_of(f"kubernetes.variables({before})", dict(kinds).get)}
            program = self._expressions.program(one["expression"], types, is_mutation=self._is_mutation)
            kinds[one["name"]] = program.result
            lazy[one["name"]] = Late(self._late(program))
        shown = ";".join(f"{one['name']}={one['expression']}" for one in given)
        return {**POLICY, "variables": object_of(f"kubernetes.variables({shown})", dict(kinds).get)}, lazy

    def _late(self, program: Program) -> Callable[[], object]:
        return lambda: self._spent(program)


class Policies(Rule):
    """What both kinds share."""

    def __init__(self, dynamic: Dynamic, catalog: Catalog) -> None:
        self._dynamic = dynamic
        self._catalog = catalog

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Everything but the configuration of admission itself."""
        return not is_exempt(resource)

    def _place(self, policy: Value, binding: Value, review: Review) -> Place | None:
        constraints = policy["spec"].get("matchConstraints")
        place = self._dynamic.matcher.place(of_policy(constraints), review) if constraints else None
        resources = binding["spec"].get("matchResources")
        if place is None or resources is None:
            return place
        narrowed = of_policy(
            resources if resources.get("resourceRules") else {**resources, "resourceRules": _EVERYTHING}
        )
        return place if self._dynamic.matcher.place(narrowed, review) is not None else None

    async def _values(self, review: Review, place: Place) -> dict[str, object]:
        objects = await objects_of(review, place)
        values = self._dynamic.expressions.values(review, place, objects)
        return {**values, "namespaceObject": self._dynamic.matcher.namespace(review)}

    async def _evaluations(
        self, policy: Value, binding: Value, review: Review, place: Place, *, is_mutation: bool
    ) -> Sequence[Evaluation]:
        """One for each parameter for which the match conditions hold. Raises CelError, Unconfigured."""
        found = await parameters_of(self._dynamic.store, self._catalog, policy, binding, review)
        values = await self._values(review, place)
        made: list[Evaluation] = []
        for one in found:
            evaluation = Evaluation(self._dynamic, policy, {**values, "params": one}, is_mutation=is_mutation)
            if _conditions_hold(policy, evaluation):
                made.append(evaluation)
        return made


_EVERYTHING = ({"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*", "*/*"]},)


class ValidatingPolicies(Policies):
    """Refuses, warns and records as policies say."""

    name = "ValidatingAdmissionPolicy"

    async def check(self, review: Review) -> None:
        """Raises Denied."""
        refusals: list[tuple[str, str, Finding]] = []
        for policy, binding in self._dynamic.configurations.bound(VALIDATING_POLICIES, VALIDATING_BINDINGS):
            place = self._place(policy, binding, review)
            if place is None:
                continue
            name, by = policy["metadata"]["name"], binding["metadata"]["name"]
            actions = binding["spec"].get("validationActions") or ()
            for finding in await self._findings(policy, binding, review, place):
                if "Deny" in actions:
                    refusals.append((name, by, finding))
                if "Warn" in actions:
                    text = f"Validation failed for ValidatingAdmissionPolicy '{name}' with binding '{by}': "
                    review.warnings.append(text + finding.message)
                if "Audit" in actions:
                    self._record(review, (name, by), finding, actions)
        if refusals:
            name, by, finding = refusals[0]
            _refuse(review, "ValidatingAdmissionPolicy", (name, by), finding)

    async def _findings(self, policy: Value, binding: Value, review: Review, place: Place) -> Sequence[Finding]:
        spec = policy["spec"]
        is_strict = spec.get("failurePolicy", "Fail") != "Ignore"
        findings: list[Finding] = []
        try:
            evaluations = await self._evaluations(policy, binding, review, place, is_mutation=False)
        except Unconfigured as error:
            return [Finding(f"failed to configure binding: {error}")] if is_strict else []
        except CelError as error:
            return [Finding(str(error))] if is_strict else []
        for evaluation in evaluations:
            for one in spec.get("validations") or ():
                found = _validated(one, evaluation, is_strict=is_strict)
                if found is not None:
                    findings.append(found)
            self._annotate(policy, evaluation, review)
        return findings

    def _annotate(self, policy: Value, evaluation: Evaluation, review: Review) -> None:
        for one in policy["spec"].get("auditAnnotations") or ():
            try:
                value = evaluation.of(one["valueExpression"])
            except CelError:
                continue
            if isinstance(value, str) and value:
                review.annotations[f"{policy['metadata']['name']}/{one['key']}"] = value

    def _record(self, review: Review, names: tuple[str, str], finding: Finding, actions: Sequence[str]) -> None:
        failure = {
            "message": finding.message,
            "policy": names[0],
            "binding": names[1],
            "validationActions": list(actions),
        }
        key = "validation.policy.admission.k8s.io/validation_failure"
        review.annotations[key] = msgspec.json.encode([failure]).decode()


class MutatingPolicies(Policies):
    """Changes what is written as policies say."""

    name = "MutatingAdmissionPolicy"

    async def admit(self, review: Review) -> None:
        """Raises Denied."""
        if review.operation in (DELETE, CONNECT):
            return
        pairs = self._dynamic.configurations.bound(MUTATING_POLICIES, MUTATING_BINDINGS)
        last_seen: dict[int, object] = {}
        for number, (policy, binding) in enumerate(pairs):
            await self._one(policy, binding, review)
            last_seen[number] = review.value
        for number, (policy, binding) in enumerate(pairs):
            again = policy["spec"].get("reinvocationPolicy") == "IfNeeded"
            if again and last_seen[number] != review.value:
                await self._one(policy, binding, review)

    async def _one(self, policy: Value, binding: Value, review: Review) -> None:
        place = self._place(policy, binding, review)
        if place is None:
            return
        names = (policy["metadata"]["name"], binding["metadata"]["name"])
        try:
            for number in range(len(await self._evaluations(policy, binding, review, place, is_mutation=True))):
                # Each sees what the one before made of the object.
                made = await self._evaluations(policy, binding, review, place, is_mutation=True)
                for mutation in policy["spec"].get("mutations") or ():
                    await self._mutate(mutation, made[number], review, place)
        except (CelError, Unconfigured, WireError, IndexError) as error:
            if policy["spec"].get("failurePolicy", "Fail") != "Ignore":
                words = error.message if isinstance(error, WireError) else str(error)
                _refuse(review, "MutatingAdmissionPolicy", names, Finding(words))

    async def _mutate(self, mutation: Value, evaluation: Evaluation, review: Review, place: Place) -> None:
        new, _ = await objects_of(review, place)
        served = place.served
        node = review.node if served is None else served.node
        assert new is not None, "what is written is no delete"
        evaluation.values["object"] = new
        copy: Value = msgspec.json.decode(msgspec.json.encode(new))
        if mutation.get("patchType") == "JSONPatch":
            operations = evaluation.of(mutation["jsonPatch"]["expression"])
            changed = json_patch(copy, _plain(operations))
        else:
            config = _plain(evaluation.of(mutation["applyConfiguration"]["expression"]))
            if not isinstance(config, dict) or (
                not {"apiVersion", "kind", "metadata"}.isdisjoint(config) and _renames(config)
            ):
                raise EvaluationError(
                    "invalid ApplyConfiguration: may not mutate apiVersion, kind, name, namespace or uid"
                )
            if node is None:
                raise EvaluationError("the object has no type that an ApplyConfiguration could be merged by")
            changed = merge(node, copy, config)
        if not isinstance(changed, dict):
            raise EvaluationError("a mutation must leave an object")
        if served is not None and served.conversion is not None:
            changed = dict((await served.conversion.to_stored([changed]))[0])
        if served is not None:
            served.strategy.default(changed)
        review.value = changed


def _renames(config: Value) -> bool:
    metadata = config.get("metadata") or {}
    own = {"name", "namespace", "uid", "resourceVersion", "managedFields", "creationTimestamp", "generation"}
    return "apiVersion" in config or "kind" in config or not own.isdisjoint(metadata)


def _conditions_hold(policy: Value, evaluation: Evaluation) -> bool:
    """Raises EvaluationError if one has no value and none is false."""
    failure = ""
    for condition in policy["spec"].get("matchConditions") or ():
        try:
            if evaluation.of(condition["expression"]) is not True:
                return False
        except CelError as error:
            failure = f"expression '{condition['expression']}' resulted in error: {error}"
    if failure:
        raise EvaluationError(failure)
    return True


def _validated(one: Value, evaluation: Evaluation, *, is_strict: bool) -> Finding | None:
    text = str(one["expression"])
    reason = one.get("reason") or "Invalid"
    try:
        if evaluation.of(text) is True:
            return None
    except CelError as error:
        if not is_strict:
            return None
        return Finding(f"expression '{text}' resulted in error: {error}", "Invalid")
    said = _said(one, evaluation) or (one.get("message") or "").strip() or f"failed expression: {text.strip()}"
    return Finding(said, reason)


def _said(one: Value, evaluation: Evaluation) -> str:
    if not one.get("messageExpression"):
        return ""
    try:
        found = evaluation.of(one["messageExpression"])
    except CelError:
        return ""
    words = found.strip() if isinstance(found, str) else ""
    return words if "\n" not in words and len(words) <= MESSAGE_CHARACTERS_MAX else ""


def _refuse(review: Review, kind: str, names: tuple[str, str], finding: Finding) -> NoReturn:
    message = f"{kind} '{names[0]}' with binding '{names[1]}' denied request: {finding.message}"
    error = denied(review.resource, review.name, message, [{"message": message}])
    error.details["code"] = _CODES.get(finding.reason, 422)
    error.details["reason"] = finding.reason
    raise error


def _plain(value: object) -> object:
    """A CEL value as JSON has it."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, Opaque):
        raise EvaluationError(f"a value of type {value.type_name} cannot stand in an object")
    return value
