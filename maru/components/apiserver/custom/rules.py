"""x-kubernetes-validations: the CEL rules of a custom kind, compiled once, evaluated on each write.

A rule sees the value it stands at as self, and what stood there before as oldSelf. What does not
change is not refused: such a rule was broken before.
Source: Kubernetes docs, "Extend the Kubernetes API with CustomResourceDefinitions", validation rules;
apiextensions-apiserver pkg/apiserver/schema/cel/validation.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maru.components.apiserver.custom.correlation import ABSENT, is_same, item_before
from maru.components.apiserver.custom.schema_types import Convert, converter_of, type_of
from maru.core.document import Value
from maru.kinds.rules.text import shown as quoted
from maru.kinds.strategy import Cause
from maru.wire.cel.checker import Declarations
from maru.wire.cel.errors import CelError, CompileError, EvaluationError, OutOfBudget
from maru.wire.cel.functions import Library
from maru.wire.cel.program import CALL_COST_MAX, Program, compile_expression
from maru.wire.cel.types import STRING, Type, optional_of
from maru.wire.cel.values import NONE, Optional

DOCUMENT_COST_MAX = 3_000_000
"""What all rules of one document may spend; the real server allows 10,000,000, which takes too long here."""
MESSAGE_CHARACTERS_MAX = 5 * 1024
_WORDS: Mapping[str, str] = {
    "FieldValueInvalid": "Invalid value",
    "FieldValueRequired": "Required value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueDuplicate": "Duplicate value",
}
REASONS = tuple(_WORDS)


@dataclass(frozen=True, slots=True)
class Rule:
    """program: the rule. message: its words; said: makes them, or None. place: fieldPath, "" if it has none."""

    program: Program
    text: str
    message: str
    said: Program | None
    reason: str
    place: str
    is_optional: bool

    @property
    def is_transition(self) -> bool:
        """Whether it compares with what stood before."""
        return "oldSelf" in self.program.names or (self.said is not None and "oldSelf" in self.said.names)


@dataclass(slots=True)
class Ruled:
    """The rules at one level of a schema and below. keys: of a list of type map; items: of a list or map."""

    convert: Convert | None
    rules: Sequence[Rule]
    fields: Mapping[str, Ruled] = field(default_factory=dict)
    items: Ruled | None = None
    keys: Sequence[str] = ()


class RefusedRule(Exception):
    """A rule that cannot be compiled: the part (rule, messageExpression) and why."""

    def __init__(self, part: str, why: str) -> None:
        super().__init__(why)
        self.part = part
        self.why = why


def compile_rule(given: Value, own: Type, library: Library) -> Rule:
    """Raises RefusedRule."""
    text = str(given.get("rule") or "")
    is_optional = bool(given.get("optionalOldSelf"))
    before = optional_of(own) if is_optional else own
    declared = Declarations({"self": own, "oldSelf": before}, library)
    program = _compiled("rule", text, declared)
    if program.result.kind not in ("bool", "dyn"):
        raise RefusedRule("rule", "compilation failed: must evaluate to a bool")
    said = None
    if given.get("messageExpression"):
        said = _compiled("messageExpression", given["messageExpression"], declared)
        if said.result.kind not in (STRING.kind, "dyn"):
            raise RefusedRule("messageExpression", "messageExpression compilation failed: must evaluate to a string")
    reason = given.get("reason") or "FieldValueInvalid"
    place = given.get("fieldPath") or ""
    return Rule(program, text.strip(), str(given.get("message") or "").strip(), said, reason, place, is_optional)


def _compiled(part: str, text: str, declared: Declarations) -> Program:
    try:
        return compile_expression(text, declared)
    except CompileError as error:
        prefix = "" if part == "rule" else f"{part} "
        raise RefusedRule(part, f"{prefix}compilation failed: {error}") from error


def ruled(schema: Value, library: Library, *, is_root: bool = True) -> Ruled | None:
    """All rules of a schema; None if it has none. Raises RefusedRule."""
    given = schema.get("x-kubernetes-validations") or ()
    own = type_of(schema, is_resource=is_root) if given else None
    if given and own is None:
        raise RefusedRule("rule", "compilation failed: the type of self cannot be told")
    rules = [compile_rule(one, own, library) for one in given] if own is not None else []
    fields = {name: ruled(one, library, is_root=False) for name, one in (schema.get("properties") or {}).items()}
    below = schema.get("items") if schema.get("type") == "array" else schema.get("additionalProperties")
    items = ruled(below, library, is_root=False) if isinstance(below, dict) else None
    having = {name: one for name, one in fields.items() if one is not None}
    if not rules and not having and items is None:
        return None
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    return Ruled(converter_of(schema) if rules else None, rules, having, items, keys)


def check_rules(top: Ruled, value: Value, old: Value | None) -> Sequence[Cause]:
    """The causes of all broken rules. old: None on a create."""
    check = _Check()
    check.walk(top, value, ABSENT if old is None else old, "")
    return check.causes


class _Check:
    def __init__(self) -> None:
        self.causes: list[Cause] = []
        self._left = DOCUMENT_COST_MAX
        self._is_over = False

    def walk(self, level: Ruled, value: object, old: object, path: str) -> None:
        if value is None or self._is_over:
            return
        if level.rules:
            self._rules(level, value, old, path)
        if isinstance(value, dict):
            before = old if isinstance(old, dict) else {}
            for name, one in level.fields.items():
                if name in value:
                    self.walk(one, value[name], before.get(name, ABSENT), f"{path}.{name}" if path else name)
            if level.items is not None:
                for name, one in value.items():
                    if name not in level.fields:
                        self.walk(level.items, one, before.get(name, ABSENT), f"{path}[{name}]")
        elif isinstance(value, list) and level.items is not None:
            for index, one in enumerate(value):
                self.walk(level.items, one, item_before(one, old, level.keys), f"{path}[{index}]")

    def _rules(self, level: Ruled, value: object, old: object, path: str) -> None:
        try:
            values = _variables(level, value, old)
        except EvaluationError as error:
            self.causes.append(Cause(path, "FieldValueInvalid", f"{_invalid(value)}{error}"))
            return
        is_unchanged = old is not ABSENT and is_same(value, old)
        for rule in level.rules:
            if rule.is_transition and old is ABSENT and not rule.is_optional:
                continue
            given = dict(values)
            if rule.is_optional:
                given["oldSelf"] = NONE if old is ABSENT or old is None else Optional(True, values["oldSelf"])
            broken = self._broken(rule, given, value)
            if broken and (rule.is_transition or not is_unchanged):
                shown = f"{path}{rule.place}" if path else rule.place.removeprefix(".")
                self.causes.append(Cause(shown if rule.place else path, rule.reason, broken))
            if self._is_over:
                return

    def _broken(self, rule: Rule, values: Mapping[str, object], value: object) -> str:
        """The message of a broken rule; "" if it holds."""
        shown = rule.message or rule.text
        try:
            found, cost = rule.program.evaluate(values, min(CALL_COST_MAX, self._left))
        except OutOfBudget as error:
            self._is_over = True
            if self._left < CALL_COST_MAX:
                return (
                    f"{_invalid(value)}validation failed due to running out of cost budget, "
                    "no further validation rules will be run"
                )
            return (
                f"{_invalid(value)}'{error}': no further validation rules will be run due to call cost exceeds limit "
                f"for rule: {shown}"
            )
        except EvaluationError as error:
            self._left -= error.cost
            if str(error).startswith("no such overload"):
                return (
                    f"{_invalid(value)}'{error}': call arguments did not match a supported operator, function or macro "
                    f"signature for rule: {shown}"
                )
            return f"{_invalid(value)}{error} evaluating rule: {shown}"
        self._left -= cost
        if found is True:
            return ""
        words = self._words(rule, values) or rule.message or f"failed rule: {rule.text}"
        if rule.reason in ("FieldValueRequired", "FieldValueForbidden"):
            return f"{_WORDS[rule.reason]}: {words}"
        if rule.reason == "FieldValueDuplicate":
            return f"Duplicate value: {quoted(value)}" if _is_simple(value) else "Duplicate value"
        return f"{_invalid(value)}{words}"

    def _words(self, rule: Rule, values: Mapping[str, object]) -> str:
        if rule.said is None:
            return ""
        try:
            found, cost = rule.said.evaluate(values, min(CALL_COST_MAX, self._left))
        except CelError as error:
            self._left -= error.cost if isinstance(error, EvaluationError) else min(CALL_COST_MAX, self._left)
            return ""
        self._left -= cost
        words = found.strip() if isinstance(found, str) else ""
        return words if "\n" not in words and len(words) <= MESSAGE_CHARACTERS_MAX else ""


def _variables(level: Ruled, value: object, old: object) -> dict[str, object]:
    convert = level.convert or (lambda one: one)
    values = {"self": convert(value)}
    if old is not ABSENT:
        values["oldSelf"] = convert(old)
    return values


def _is_simple(value: object) -> bool:
    return isinstance(value, (str, int, float, bool))


def _invalid(value: object) -> str:
    if isinstance(value, bool):
        return f"Invalid value: {str(value).lower()}: "
    return f"Invalid value: {quoted(value)}: " if _is_simple(value) else "Invalid value: "
