"""Lists in pages: Limit, Marker, NextMarker, Truncated.

A marker is the place to go on from, in base64. Source: AWS KMS API reference, "Marker".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from maru.components.aws_kms.errors import coded, invalid
from maru.contracts.aws_service import AwsCall, Members

_PREFIX = b"maru:"


def page(name: str, every: Sequence[object], call: AwsCall, *, limit: int, limit_max: int) -> Members:
    """The page of `every` that the call asks for, under `name`. Raises Invalid for a bad limit or marker."""
    asked = call.parameters.get("Limit")
    size = limit if asked is None else int(asked)
    if not 1 <= size <= limit_max:
        bound = "less than or equal to" if size > limit_max else "greater than or equal to"
        raise invalid(
            f"1 validation error detected: Value '{size}' at 'limit' failed to satisfy constraint: "
            f"Member must have value {bound} {limit_max if size > limit_max else 1}"
        )
    marker = call.parameters.get("Marker")
    start = 0 if marker is None else _read(marker)
    members: Members = {name: list(every[start : start + size]), "Truncated": start + size < len(every)}
    if members["Truncated"]:
        members["NextMarker"] = base64.b64encode(_PREFIX + str(start + size).encode()).decode()
    return members


def _read(marker: str) -> int:
    try:
        plain = base64.b64decode(marker, validate=True)
        if plain.startswith(_PREFIX):
            return int(plain.removeprefix(_PREFIX))
    except (binascii.Error, ValueError):
        pass
    raise coded("InvalidMarkerException", f"Could not deserialize marker '{marker}'")
