"""Rules of a Job's podFailurePolicy and successPolicy.

Source: k8s.io/kubernetes/pkg/apis/batch/validation, validatePodFailurePolicy, validateSuccessPolicy.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Value
from maru.kinds.rules.text import check, duplicate, invalid, is_qualified_name, required, too_many, unsupported
from maru.kinds.strategy import Cause

RULES_MAX = 20
EXIT_CODES_MAX = 255
PATTERNS_MAX = 20
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
OPERATORS = ("In", "NotIn")
STATUSES = ("False", "True", "Unknown")


def check_failure_policy(spec: Value, path: str) -> list[Cause]:
    """The rules of podFailurePolicy."""
    rules = spec["podFailurePolicy"].get("rules") or []
    pod = (spec.get("template") or {}).get("spec") or {}
    names = {one.get("name") for group in ("containers", "initContainers") for one in pod.get(group) or []}
    causes = [too_many(f"{path}.rules", len(rules), RULES_MAX)] if len(rules) > RULES_MAX else []
    for index, rule in enumerate(rules):
        at = f"{path}.rules[{index}]"
        causes += _check_action(rule.get("action") or "", spec, f"{at}.action")
        codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions") or []
        if codes is not None:
            causes += _check_codes(codes, names, f"{at}.onExitCodes")
        if len(patterns) > PATTERNS_MAX:
            causes.append(too_many(f"{at}.onPodConditions", len(patterns), PATTERNS_MAX))
        for number, pattern in enumerate(patterns):
            causes += _check_pattern(pattern, f"{at}.onPodConditions[{number}]")
        if codes is not None and patterns:
            causes.append(invalid(at, "", "specifying both OnExitCodes and OnPodConditions is not supported"))
        if codes is None and not patterns:
            causes.append(invalid(at, "", "specifying one of OnExitCodes and OnPodConditions is required"))
    return causes


def check_success_policy(spec: Value, path: str) -> list[Cause]:
    """The rules of successPolicy, which only indexed Jobs have."""
    if spec.get("completionMode") != "Indexed":
        return [invalid(path, spec["successPolicy"], "requires indexed completion mode")]
    rules = spec["successPolicy"].get("rules") or []
    if not rules:
        return [required(f"{path}.rules", "at least one rules must be specified when the successPolicy is specified")]
    causes = [too_many(f"{path}.rules", len(rules), RULES_MAX)] if len(rules) > RULES_MAX else []
    completions = spec.get("completions") or 0
    for index, rule in enumerate(rules):
        at = f"{path}.rules[{index}]"
        indexes, count = rule.get("succeededIndexes"), rule.get("succeededCount")
        if indexes is None and count is None:
            causes.append(required(at, "at least one of succeededCount or succeededIndexes must be specified"))
        total = completions
        if indexes is not None:
            total, why = _count_indexes(indexes, completions)
            if why:
                causes.append(invalid(f"{at}.succeededIndexes", indexes, why))
        if count is not None:
            if count < 1:
                causes.append(invalid(f"{at}.succeededCount", count, "must be greater than or equal to 0"))
            elif count > completions:
                why = f"must be less than or equal to {completions} (the number of specified completions)"
                causes.append(invalid(f"{at}.succeededCount", count, why))
            elif indexes is not None and count > total > 0:
                what = "the number of indexes in the specified succeededIndexes field"
                why = f"must be less than or equal to {total} ({what})"
                causes.append(invalid(f"{at}.succeededCount", count, why))
    return causes


def _check_action(action: str, spec: Value, at: str) -> list[Cause]:
    if not action:
        return [required(at, 'valid values: "Count", "FailIndex", "FailJob", "Ignore"')]
    if action not in ACTIONS:
        return [unsupported(at, action, ACTIONS)]
    if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        return [invalid(at, action, "requires the backoffLimitPerIndex to be set")]
    return []


def _check_codes(codes: Value, names: set[str | None], at: str) -> list[Cause]:
    operator, values, container = codes.get("operator") or "", codes.get("values") or [], codes.get("containerName")
    causes: list[Cause] = []
    if operator not in OPERATORS:
        causes.append(unsupported(f"{at}.operator", operator, OPERATORS) if operator else required(f"{at}.operator"))
    if container is not None and container not in names:
        why = "must be one of the container or initContainer names in the pod template"
        causes.append(invalid(f"{at}.containerName", container, why))
    if not values:
        causes.append(invalid(f"{at}.values", values, "at least one value is required"))
    elif len(values) > EXIT_CODES_MAX:
        causes.append(too_many(f"{at}.values", len(values), EXIT_CODES_MAX))
    return causes + _check_code_values(values, operator, at)


def _check_code_values(values: Sequence[int], operator: str, at: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[int] = set()
    for index, code in enumerate(values):
        if operator == "In" and code == 0:
            causes.append(invalid(f"{at}.values[{index}]", code, "must not be 0 for the In operator"))
        if code in seen:
            causes.append(duplicate(f"{at}.values[{index}]", code))
        seen.add(code)
    if list(values) != sorted(values):
        causes.append(invalid(f"{at}.values", values, "must be ordered"))
    return causes


def _check_pattern(pattern: Value, at: str) -> list[Cause]:
    causes = check(is_qualified_name, f"{at}.type", pattern.get("type") or "")
    status = pattern.get("status") or ""
    if status in STATUSES:
        return causes
    return [*causes, unsupported(f"{at}.status", status, STATUSES) if status else required(f"{at}.status")]


def _count_indexes(text: str, completions: int) -> tuple[int, str]:
    """How many indexes `text` ("1,3-5") names, and what is wrong with it."""
    total, last = 0, -1
    if not text:
        return 0, ""
    for part in text.split(","):
        first, dash, end = part.partition("-")
        for word in (first, end) if dash else (first,):
            if not (word.isascii() and word.isdigit()):
                return 0, f"cannot convert string to integer for index: {word!r}".replace("'", '"')
        low, high = int(first), int(end) if dash else int(first)
        if max(low, high) >= completions:
            return 0, f'too large index: "{high}"'
        if low <= last:
            return 0, f"non-increasing order, previous: {last}, current: {low}"
        if dash and high <= low:
            return 0, f"non-increasing order, previous: {low}, current: {high}"
        total, last = total + high - low + 1, high
    return total, ""
