"""Units in requests: times (30s, 1d), sizes (10mb), distances (5km), and the same written for people.

Source: Elasticsearch reference, "API conventions", "Units"; TimeValue, ByteSizeValue, DistanceUnit.
"""

from __future__ import annotations

import re

from maru.wire.elastic.json import Json

_TIMES = {"nanos": 1e-9, "micros": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZES = {
    "b": 1,
    "kb": 1 << 10,
    "mb": 1 << 20,
    "gb": 1 << 30,
    "tb": 1 << 40,
    "pb": 1 << 50,
    "k": 1 << 10,
    "m": 1 << 20,
    "g": 1 << 30,
    "": 1,
}
_LENGTHS = {
    "mi": 1609.344,
    "miles": 1609.344,
    "yd": 0.9144,
    "yards": 0.9144,
    "ft": 0.3048,
    "feet": 0.3048,
    "in": 0.0254,
    "inch": 0.0254,
    "km": 1000.0,
    "kilometers": 1000.0,
    "m": 1.0,
    "meters": 1.0,
    "cm": 0.01,
    "centimeters": 0.01,
    "mm": 0.001,
    "millimeters": 0.001,
    "nm": 1852.0,
    "nmi": 1852.0,
    "nauticalmiles": 1852.0,
    "NM": 1852.0,
    "": 1.0,
}


def duration_s(given: Json, setting: str = "") -> float:
    """Seconds; -1 and 0 need no unit. Raises ValueError in the server's words."""
    text = str(given).strip()
    if text in ("-1", "0"):
        return float(text)
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*(nanos|micros|ms|s|m|h|d|w)", text)
    if found is None:
        raise ValueError(
            f"failed to parse setting [{setting or 'time'}] with value [{text}] as a time value: unit is "
            "missing or unrecognized"
        )
    return float(found[1]) * _TIMES[found[2]]


def size_bytes(given: Json, setting: str = "") -> int:
    """Bytes. Raises ValueError."""
    text = str(given).strip().lower()
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*([kmgtp]?b?)", text)
    if found is None or (not found[2] and text not in ("0", "-1")):
        raise ValueError(
            f"failed to parse setting [{setting or 'size'}] with value [{given}] as a size in bytes: unit is "
            "missing or unrecognized"
        )
    return int(float(found[1]) * _SIZES[found[2]])


def metres(given: Json) -> float:
    """Metres of a distance. Raises ValueError."""
    found = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)\s*", str(given))
    if found is None or found[2] not in _LENGTHS:
        raise ValueError(f"failed to parse distance [{given}]")
    return float(found[1]) * _LENGTHS[found[2]]


def size_text(count: float) -> str:
    """For people: 230b, 4.4kb, 1gb."""
    for unit, factor in (("pb", 1 << 50), ("tb", 1 << 40), ("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)):
        if count >= factor:
            shown = f"{int(count / factor * 10) / 10:.1f}".removesuffix(".0")
            return f"{shown}{unit}"
    return f"{int(count)}b"


def duration_text(seconds: float) -> str:
    """For people: 1.2h, 5m, 30s, 12ms."""
    for unit, factor in (("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0)):
        if seconds >= factor:
            shown = f"{int(seconds / factor * 10) / 10:.1f}".removesuffix(".0")
            return f"{shown}{unit}"
    return f"{int(seconds * 1000)}ms"
