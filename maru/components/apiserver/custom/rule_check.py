"""Whether the rules and defaults in a definition's schema can be used, told when it is written.

Source: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go (x-kubernetes-validations)
and pkg/apiserver/schema/defaulting/validation.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.apiserver.custom.json_path import compile_path
from maru.components.apiserver.custom.rules import REASONS, RefusedRule, compile_rule
from maru.components.apiserver.custom.schema_types import type_of
from maru.components.apiserver.custom.validation import validate
from maru.core.document import Value
from maru.kinds.rules.text import forbidden, invalid, required, unsupported
from maru.kinds.strategy import Cause
from maru.wire.cel.functions import Library


@dataclass(frozen=True, slots=True)
class Level:
    """Where a schema stands. uncorrelatable: the list below which nothing has a value before, "" if there is none."""

    path: str
    uncorrelatable: str = ""
    is_root: bool = False


def check_rules_and_defaults(schema: Value, path: str, library: Library) -> Sequence[Cause]:
    """The causes of all rules that cannot be compiled and all defaults that would be refused."""
    causes: list[Cause] = []
    _walk(schema, Level(path, is_root=True), library, causes)
    return causes


def _walk(schema: Value, level: Level, library: Library, causes: list[Cause]) -> None:
    if "default" in schema:
        _check_default(schema, f"{level.path}.default", causes)
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        _check_rule(schema, rule, level, f"{level.path}.x-kubernetes-validations[{index}]", (library, causes))
    for name, one in (schema.get("properties") or {}).items():
        _walk(one, Level(f"{level.path}.properties[{name}]", level.uncorrelatable), library, causes)
    if isinstance(schema.get("items"), dict):
        place = f"{level.path}.items"
        is_correlatable = schema.get("x-kubernetes-list-type") == "map"
        lost = level.uncorrelatable or ("" if is_correlatable else level.path)
        _walk(schema["items"], Level(place, lost), library, causes)
    if isinstance(schema.get("additionalProperties"), dict):
        place = f"{level.path}.additionalProperties"
        _walk(schema["additionalProperties"], Level(place, level.uncorrelatable), library, causes)


def _check_default(schema: Value, path: str, causes: list[Cause]) -> None:
    default = schema["default"]
    if default is None and not schema.get("nullable"):
        causes.append(forbidden(path, "must not be null"))
        return
    causes += [
        Cause(f"{path}.{cause.field}" if cause.field else path, cause.reason, cause.message)
        for cause in validate(schema, default, None)
    ]
    unknown = _unknown(schema, default)
    if unknown:
        causes.append(invalid(path, default, "must not have unknown fields"))


def _unknown(schema: Value, value: object) -> bool:
    if isinstance(value, list):
        items = schema.get("items")
        return isinstance(items, dict) and any(_unknown(items, one) for one in value)
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return False
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        return any(_unknown(extra, one) for one in value.values())
    properties = schema.get("properties") or {}
    return any(name not in properties or _unknown(properties[name], one) for name, one in value.items())


def _check_rule(schema: Value, rule: Value, level: Level, path: str, tools: tuple[Library, list[Cause]]) -> None:
    library, causes = tools
    text, message = str(rule.get("rule") or ""), rule.get("message") or ""
    before = len(causes)
    if not text.strip():
        causes.append(required(f"{path}.rule", "rule is not specified"))
    if message and not message.strip():
        causes.append(invalid(f"{path}.message", message, "message must be non-empty if specified"))
    elif "\n" in message.strip():
        causes.append(invalid(f"{path}.message", message, "message must not contain line breaks"))
    elif "\n" in text.strip() and not message:
        causes.append(required(f"{path}.message", "message must be specified if rule contains line breaks"))
    said = rule.get("messageExpression")
    if said and not said.strip():
        causes.append(required(f"{path}.messageExpression", "messageExpression must be non-empty if specified"))
    if rule.get("reason") and rule["reason"] not in REASONS:
        causes.append(unsupported(f"{path}.reason", rule["reason"], REASONS))
    if rule.get("fieldPath"):
        _check_field_path(schema, rule["fieldPath"], f"{path}.fieldPath", causes)
    own = type_of(schema, is_resource=level.is_root)
    if len(causes) > before:
        return
    if own is None:
        why = "compilation failed: rules are only supported where the schema has a type"
        causes.append(invalid(f"{path}.rule", text, why))
        return
    try:
        made = compile_rule(rule, own, library)
    except RefusedRule as error:
        causes.append(invalid(f"{path}.{error.part}", rule.get(error.part) or "", error.why))
        return
    if made.is_transition and level.uncorrelatable:
        why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {level.uncorrelatable}"
        causes.append(invalid(f"{path}.rule", text, why))
    if rule.get("optionalOldSelf") is not None and not made.is_transition:
        causes.append(
            invalid(f"{path}.optionalOldSelf", rule["optionalOldSelf"], "may not be set if oldSelf is not used in rule")
        )


def _check_field_path(schema: Value, path: str, field: str, causes: list[Cause]) -> None:
    try:
        compile_path(path)
    except ValueError as error:
        causes.append(invalid(field, path, f"fieldPath must be a valid path: {error}"))
        return
    found: object = schema
    for name in path.lstrip(".").replace("['", ".").replace("']", "").replace(".", " ").split():
        if not isinstance(found, dict):
            break
        properties, extra = found.get("properties") or {}, found.get("additionalProperties")
        found = properties.get(name) or (extra if isinstance(extra, dict) else None)
    if found is None:
        causes.append(invalid(field, path, "fieldPath must be a valid path: does not refer to a valid field"))
