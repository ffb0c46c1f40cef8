"""Pages of lists: MaxItems and Marker, IsTruncated and Marker.

A marker is the place of the next item, hidden in base64; one that IAM never gave is refused.
Source: IAM API reference, ListUsers (Marker, MaxItems, IsTruncated).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from maru.components.aws_iam.errors import validation
from maru.contracts.aws_service import AwsCall, Members

ITEMS = 100


def page(member: str, items: Sequence[object], call: AwsCall, *, default: int = ITEMS) -> Members:
    """`items` from the marker on, under `member`. Raises ValidationError for a marker that is none."""
    start = _place(call.parameters.get("Marker"))
    end = start + int(call.parameters.get("MaxItems") or default)
    answer: Members = {member: list(items[start:end]), "IsTruncated": end < len(items)}
    if end < len(items):
        answer["Marker"] = base64.urlsafe_b64encode(f"after:{end}".encode()).decode()
    return answer


def under(path_prefix: str | None, path: str) -> bool:
    """Whether `path` begins with what a list asks for."""
    return path.startswith(path_prefix or "/")


def _place(marker: str | None) -> int:
    if not marker:
        return 0
    try:
        word, _, number = base64.urlsafe_b64decode(marker.encode()).decode().partition(":")
        if word == "after":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise validation("Invalid Marker.")
