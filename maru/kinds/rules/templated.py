"""Rules that kinds with a selector and a Pod template share.

Source: k8s.io/kubernetes/pkg/apis/apps/validation, ValidatePodTemplateSpecForReplicaSet and its kin;
pkg/apis/core/validation, ValidateReadOnlyPersistentDisks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from maru.core.document import Value
from maru.kinds.label_selector import from_labels, from_selector
from maru.kinds.rules.selectors import check_selector
from maru.kinds.rules.text import check_not_negative, forbidden, invalid, required, unsupported
from maru.kinds.strategy import Cause

PERCENT = re.compile(r"[0-9]+%")
PERCENT_WORDS = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)


def check_template_selector(spec: Value, kind: str) -> list[Cause]:
    """spec.selector, and that the template's labels match it. kind: as the message names it (deployment)."""
    selector = spec.get("selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if selector is None:
        return [
            required("spec.selector"),
            invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"),
        ]
    causes = check_selector(selector, "spec.selector")
    if not (selector.get("matchLabels") or selector.get("matchExpressions")):
        causes.append(invalid("spec.selector", selector, f"empty selector is invalid for {kind}"))
    elif not causes and not from_selector(selector).matches(labels):
        causes.append(invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    return causes


def check_plain_selector(spec: Value) -> list[Cause]:
    """The same for a ReplicationController, whose selector is a plain map."""
    selector: Mapping[str, str] = spec.get("selector") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if not selector:
        return [required("spec.selector")]
    if not from_labels(selector).matches(labels):
        return [invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")]
    return []


def check_lasting(template: Value, path: str) -> list[Cause]:
    """Templates of what runs forever: always restarted, and without a deadline."""
    spec = template.get("spec") or {}
    causes: list[Cause] = []
    if spec.get("restartPolicy") != "Always":
        causes.append(unsupported(f"{path}.spec.restartPolicy", spec.get("restartPolicy") or "", ("Always",)))
    if spec.get("activeDeadlineSeconds") is not None:
        causes.append(
            forbidden(f"{path}.spec.activeDeadlineSeconds", "activeDeadlineSeconds in template is not supported")
        )
    return causes


def check_count(number: object, field: str) -> list[Cause]:
    """A number of 0 or more, or a percentage like 25%."""
    if isinstance(number, str):
        return [] if PERCENT.fullmatch(number) else [invalid(field, number, PERCENT_WORDS)]
    return check_not_negative(number, field)


def check_at_most_all(number: object, field: str) -> list[Cause]:
    """No percentage over 100."""
    if isinstance(number, str) and PERCENT.fullmatch(number) and int(number[:-1]) > 100:
        return [invalid(field, number, "must not be greater than 100%")]
    return []


def is_zero(number: object) -> bool:
    """0 or 0%; what is missing counts as 0."""
    return number is None or number == 0 or (isinstance(number, str) and number.rstrip("%").strip("0") == "")
