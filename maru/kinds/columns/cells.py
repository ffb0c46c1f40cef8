"""Cells that many kinds share: ages, labels, selectors, containers, counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from maru.core.clock import parse_rfc3339
from maru.core.document import Value
from maru.kinds.strategy import NAME_COLUMN, Column

NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"

Cell = Callable[[Value, datetime], object]


def at(path: str, default: object = "") -> Cell:
    """The value at a dotted path, `default` where any step is missing or null."""
    steps = path.split(".")

    def cell(value: Value, _: datetime) -> object:
        found: object = value
        for step in steps:
            found = found.get(step) if isinstance(found, dict) else None
            if found is None:
                return default
        return found

    return cell


def human_duration(seconds: float) -> str:
    """A span as kubectl writes it. Source: k8s.io/apimachinery/pkg/util/duration, HumanDuration."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 120:
        return f"{whole}s"
    minutes, hours = whole // 60, whole // 3600
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    days, years = hours // 24, hours // (24 * 365)
    if hours < 24 * 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if hours < 24 * 365 * 2:
        return f"{days}d"
    if hours < 24 * 365 * 8:
        return f"{years}y{days % 365}d" if days % 365 else f"{years}y"
    return f"{years}y"


def since(stamp: object, now: datetime) -> str:
    """How long ago an RFC 3339 stamp was."""
    if not isinstance(stamp, str) or not stamp:
        return UNKNOWN
    return human_duration((now - parse_rfc3339(stamp)).total_seconds())


def age(value: Value, now: datetime) -> str:
    """How long ago the document was created."""
    return since(value["metadata"].get("creationTimestamp"), now)


def labels_text(labels: object) -> str:
    """k=v pairs in order of their keys, or <none>."""
    if not isinstance(labels, dict) or not labels:
        return NONE
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels))


def selector_text(selector: object) -> str:
    """A LabelSelector as one writes it. Source: k8s.io/apimachinery meta/v1, FormatLabelSelector."""
    if not isinstance(selector, dict) or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return NONE
    matched = {key: f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()}
    parts = [matched[key] for key in sorted(matched)]
    forms = {
        "In": "{key} in ({values})",
        "NotIn": "{key} notin ({values})",
        "Exists": "{key}",
        "DoesNotExist": "!{key}",
    }
    for rule in selector.get("matchExpressions") or []:
        values = ",".join(sorted(rule.get("values") or []))
        parts.append(forms[rule["operator"]].format(key=rule["key"], values=values))
    return ",".join(parts)


def container_names(spec: Value) -> str:
    """The names of a Pod spec's containers, with commas."""
    return ",".join(container["name"] for container in spec.get("containers") or [])


def container_images(spec: Value) -> str:
    """The images of a Pod spec's containers, with commas."""
    return ",".join(container.get("image", "") for container in spec.get("containers") or [])


def shorten(items: Iterable[str], shown_max: int) -> str:
    """The first items with commas, and how many more there are; <none> for no item."""
    listed = list(items)
    if not listed:
        return NONE
    text = ",".join(listed[:shown_max])
    return f"{text} + {len(listed) - shown_max} more..." if len(listed) > shown_max else text


def count_of(*fields: str) -> Cell:
    """How many entries the mappings or lists of the given names hold together."""
    return lambda value, _: len([entry for field in fields for entry in value.get(field) or ()])


AGE_COLUMN = Column("Age", age, description="Time since the document was created.")
NAME = NAME_COLUMN
TEMPLATE_COLUMNS = (
    Column("Containers", lambda value, _: container_names(value["spec"]["template"].get("spec") or {}), priority=1),
    Column("Images", lambda value, _: container_images(value["spec"]["template"].get("spec") or {}), priority=1),
)
SELECTOR_COLUMN = Column("Selector", lambda value, _: selector_text(value["spec"].get("selector")), priority=1)
