"""Rules of label selectors in documents.

Source: k8s.io/apimachinery/pkg/apis/meta/v1/validation, ValidateLabelSelector.
"""

from __future__ import annotations

from maru.core.document import Value
from maru.kinds.rules.text import check, check_labels, forbidden, invalid, is_qualified_name, required
from maru.kinds.strategy import Cause

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def check_selector(selector: Value, field: str) -> list[Cause]:
    """The causes of a LabelSelector."""
    causes = check_labels(selector.get("matchLabels"), f"{field}.matchLabels")
    for index, rule in enumerate(selector.get("matchExpressions") or []):
        at = f"{field}.matchExpressions[{index}]"
        operator, values = rule.get("operator"), rule.get("values") or []
        if operator in ("In", "NotIn") and not values:
            causes.append(required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        elif operator in ("Exists", "DoesNotExist") and values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            causes.append(forbidden(f"{at}.values", why))
        elif operator not in OPERATORS:
            causes.append(invalid(f"{at}.operator", operator, "not a valid selector operator"))
        causes += check(is_qualified_name, f"{at}.key", rule.get("key", ""))
    return causes
