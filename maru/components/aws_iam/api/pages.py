"""Pages of lists: MaxItems and Marker, IsTruncated and Marker.

A marker is the place of the next item; one that is no place is refused.
Source: IAM API reference, ListUsers (Marker, MaxItems, IsTruncated).
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.aws_iam.errors import validation
from maru.contracts.aws_service import AwsCall, Members

ITEMS = 100
_MARKER_DIGITS_MAX = 9


def page(member: str, items: Sequence[object], call: AwsCall, *, default: int = ITEMS) -> Members:
    """`items` from the marker on, under `member`. Raises ValidationError for a marker that is none."""
    start = _place(call.parameters.get("Marker"))
    end = start + int(call.parameters.get("MaxItems") or default)
    answer: Members = {member: list(items[start:end]), "IsTruncated": end < len(items)}
    if end < len(items):
        answer["Marker"] = str(end)
    return answer


def under(path_prefix: str | None, path: str) -> bool:
    """Whether `path` begins with what a list asks for."""
    return path.startswith(path_prefix or "/")


def _place(marker: str | None) -> int:
    if not marker:
        return 0
    if marker.isascii() and marker.isdigit() and len(marker) <= _MARKER_DIGITS_MAX:
        return int(marker)
    raise validation("Invalid Marker.")
