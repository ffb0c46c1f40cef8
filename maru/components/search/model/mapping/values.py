"""Values of each field type: what is accepted, and what goes into a column.

Each function takes one JSON scalar and answers the column's value, or raises ValueError with the words the
server puts under `caused_by`. Source: Elasticsearch reference, "Field data types"; NumberFieldMapper.
"""

from __future__ import annotations

import ipaddress
import math
import re

from maru.wire.elastic.json import Json, as_text

BOUNDS = {"byte": 8, "short": 16, "integer": 32, "long": 64}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def whole(value: Json, kind: str, *, coerce: bool = True) -> int:
    """byte, short, integer, long, unsigned_long."""
    if isinstance(value, bool):
        raise ValueError(f"Current token (VALUE_{str(value).upper()}) not numeric, can not use numeric value accessors")
    if isinstance(value, str):
        if not coerce:
            raise ValueError(f"{kind.capitalize()} value passed as String")
        if not _NUMBER.fullmatch(value.strip()):
            raise ValueError(f'For input string: "{value}"' if value else "empty String")
        value = int(value) if re.fullmatch(r"[+-]?\d+", value.strip()) else float(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f'For input string: "{as_text(value)}"')
        if not coerce and not value.is_integer():
            raise ValueError(f"{as_text(value)} cannot be converted to {kind.capitalize()} without data loss")
        value = int(value)
    if not isinstance(value, int):
        raise ValueError(f"cannot parse a {kind} from an object")
    if kind == "unsigned_long":
        if not 0 <= value < 1 << 64:
            raise ValueError(f"Value [{value}] is out of range for unsigned long")
    else:
        bits = BOUNDS[kind]
        if not -(1 << bits - 1) <= value < 1 << bits - 1:
            if kind in ("long", "integer"):
                raise ValueError(f"Numeric value ({value}) out of range of {'long' if kind == 'long' else 'int'}")
            raise ValueError(f"Value [{value}] is out of range for a {kind}")
    return value


def decimal(value: Json, kind: str) -> float:
    """double, float, half_float, scaled_float."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("Current token is not numeric, can not use numeric value accessors")
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise ValueError(f'For input string: "{value}"' if value else "empty String")
    number = float(value)
    if (
        not math.isfinite(number)
        or (kind == "float" and abs(number) > 3.4028235e38)
        or (kind == "half_float" and abs(number) >= 65520)
    ):
        raise ValueError(f"[{kind}] supports only finite values, but got [{as_text(number)}]")
    return number


def boolean(value: Json) -> int:
    """True, false, "true", "false" and "" (which is false)."""
    if isinstance(value, bool):
        return int(value)
    if value in ("true", "false", ""):
        return int(value == "true")
    raise ValueError(f"Failed to parse value [{as_text(value)}] as only [true] or [false] are allowed.")


def address(value: Json) -> str:
    """An IPv4 or IPv6 address in its usual spelling."""
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError as error:
        raise ValueError(f"'{as_text(value)}' is not an IP string literal.") from error


def point(value: Json) -> tuple[float, float]:
    """(latitude, longitude) of an object, a string, an array [lon, lat], WKT or a geohash."""
    if isinstance(value, dict):
        if value.get("type", "").lower() == "point" and "coordinates" in value:
            return point(value["coordinates"])
        if "lat" not in value or "lon" not in value:
            raise ValueError(f"field [{'lat' if 'lat' not in value else 'lon'}] missing")
        return _checked(float(value["lat"]), float(value["lon"]))
    if isinstance(value, list):
        if len(value) < 2:
            raise ValueError("[geo_point] field type does not accept fewer than 2 dimensions")
        return _checked(float(value[1]), float(value[0]))
    text = str(value).strip()
    wkt = re.fullmatch(r"(?i)point\s*\(\s*(\S+)\s+(\S+)\s*\)", text)
    if wkt:
        return _checked(float(wkt[2]), float(wkt[1]))
    if "," in text:
        parts = text.split(",")
        try:
            return _checked(float(parts[0]), float(parts[1]))
        except ValueError as error:
            raise ValueError(f"failed to parse geo_point [{text}]: {error}") from error
    return geohash_centre(text)


def geohash_centre(text: str) -> tuple[float, float]:
    """The middle of a geohash's cell. Raises ValueError."""
    south, north, west, east = -90.0, 90.0, -180.0, 180.0
    is_longitude = True
    for letter in text.lower():
        index = _BASE32.find(letter)
        if index < 0:
            raise ValueError(f"unsupported symbol [{letter}] in geohash [{text}]")
        for bit in (16, 8, 4, 2, 1):
            if is_longitude:
                middle = (west + east) / 2
                west, east = (middle, east) if index & bit else (west, middle)
            else:
                middle = (south + north) / 2
                south, north = (middle, north) if index & bit else (south, middle)
            is_longitude = not is_longitude
    return (south + north) / 2, (west + east) / 2


_BASE32 = "0123456789bcdefghjkmnpqrstuvwxyz"


def _checked(latitude: float, longitude: float) -> tuple[float, float]:
    if not -90 <= latitude <= 90:
        raise ValueError(f"illegal latitude value [{latitude}]")
    if not -180 <= longitude <= 180:
        raise ValueError(f"illegal longitude value [{longitude}]")
    return latitude, longitude


def geohash(latitude: float, longitude: float, length: int) -> str:
    """The geohash cell of `length` letters that a point lies in."""
    south, north, west, east = -90.0, 90.0, -180.0, 180.0
    letters: list[str] = []
    bits, index, is_longitude = 0, 0, True
    while len(letters) < length:
        if is_longitude:
            middle = (west + east) / 2
            index = index * 2 + (longitude >= middle)
            west, east = (middle, east) if longitude >= middle else (west, middle)
        else:
            middle = (south + north) / 2
            index = index * 2 + (latitude >= middle)
            south, north = (middle, north) if latitude >= middle else (south, middle)
        is_longitude = not is_longitude
        bits += 1
        if bits == 5:
            letters.append(_BASE32[index])
            bits, index = 0, 0
    return "".join(letters)


def distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Metres between two points on a sphere of the earth's mean radius."""
    lat1, lon1, lat2, lon2 = map(math.radians, (*one, *other))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371008.7714 * math.asin(min(1.0, math.sqrt(half)))
