"""Label and field selectors in their query string form, as the fake client understands them."""

from __future__ import annotations

import re
from typing import Any

_SET = re.compile(r"^\s*(\S+)\s+(in|notin)\s+\(([^)]*)\)\s*$")
_COMMA = re.compile(r",(?![^(]*\))")


def labels_match(selector: str, value: dict[str, Any]) -> bool:
    labels = value["metadata"].get("labels") or {}
    return all(_label_matches(term, labels) for term in _COMMA.split(selector) if term.strip())


def fields_match(selector: str, value: dict[str, Any]) -> bool:
    for term in filter(None, selector.split(",")):
        path, operator, want = re.split(r"(!=|==|=)", term, maxsplit=1)
        if (_at(value, path.strip()) == want.strip()) == (operator == "!="):
            return False
    return True


def _label_matches(term: str, labels: dict[str, str]) -> bool:
    term = term.strip()
    match = _SET.match(term)
    if match:
        members = {member.strip() for member in match[3].split(",")}
        return (labels.get(match[1]) in members) == (match[2] == "in")
    for operator in ("!=", "==", "="):
        if operator in term:
            name, want = (part.strip() for part in term.split(operator, 1))
            return (labels.get(name) == want) != (operator == "!=")
    return term[1:].strip() not in labels if term.startswith("!") else term in labels


def _at(value: Any, path: str) -> str:
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
