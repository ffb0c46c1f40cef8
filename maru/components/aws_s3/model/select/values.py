"""Values of S3 Select: what compares with what, and what becomes of a value that is to be of another type.

CSV knows strings only, so a string that is compared or reckoned with a number is read as one. Null and missing
make a comparison unknown, which is None here. Source: Amazon S3 User Guide, "SQL reference for Amazon S3 Select".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from maru.components.aws_s3.errors import refusal

Row = list[tuple[str, object]]


class Missing:
    """What a path gives that leads nowhere; there is one."""


MISSING = Missing()


def is_nothing(value: object) -> bool:
    """Null or missing."""
    return value is None or value is MISSING


def number_of(value: object) -> int | float | Decimal | None:
    """The number a value is, or reads as; None if it is none."""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    try:
        return int(value)
    except ValueError:
        try:
            return float(value)
        except ValueError:
            return None


def compared(test: Callable[..., bool], left: object, right: object) -> bool | None:
    """The outcome of a comparison; None where null or missing takes part, or the two do not compare."""
    if is_nothing(left) or is_nothing(right):
        return None
    if isinstance(left, (int, float, Decimal)) != isinstance(right, (int, float, Decimal)):
        left, right = number_of(left), number_of(right)
        if left is None or right is None:
            return None
    try:
        return bool(test(left, right))
    except TypeError:
        return None


def reckoned(work: Callable[[object, object], object], left: object, right: object) -> object:
    """The outcome of arithmetic. Raises InvalidDataType, EvaluatorDivideByZero."""
    if is_nothing(left) or is_nothing(right):
        return None
    one, two = number_of(left), number_of(right)
    if one is None or two is None:
        raise refusal("InvalidDataType")
    if isinstance(one, Decimal) != isinstance(two, Decimal):
        one, two = Decimal(str(one)), Decimal(str(two))
    try:
        return work(one, two)
    except (ZeroDivisionError, InvalidOperation) as error:
        raise refusal("DivideByZero") from error


def divided(one: object, two: object) -> object:
    """Of whole numbers a whole one, cut towards zero."""
    if isinstance(one, int) and isinstance(two, int):
        whole = abs(one) // abs(two)
        return whole if (one < 0) == (two < 0) else -whole
    return one / two  # type: ignore[operator] # numbers, by number_of


def cast(value: object, kind: str) -> object:
    """CAST(value AS kind). Raises CastFailed."""
    if is_nothing(value):
        return value
    try:
        return _CASTS[kind](value)
    except (ValueError, InvalidOperation, TypeError, OverflowError) as error:
        raise refusal(
            "CastFailed", f"Attempt to convert from one data type to another using CAST failed: {kind}."
        ) from error


def moment_of(value: object) -> datetime:
    """A timestamp: of one, or of its ISO 8601 form, which may end early. Raises ValueError."""
    if isinstance(value, datetime):
        return value
    text = str(value).removesuffix("T")
    if len(text) == len("2007"):
        text += "-01"
    if len(text) == len("2007-02"):
        text += "-01"
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def text_of(value: object) -> str:
    """As a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def _whole(value: object) -> int:
    return int(float(value)) if isinstance(value, str) and "." in value else int(value)  # type: ignore[call-overload] # raises TypeError


def _truth(value: object) -> bool:
    if isinstance(value, str):
        return {"true": True, "false": False}[value.lower()] if value.lower() in ("true", "false") else bool(int(value))
    return bool(value)


_CASTS: dict[str, Callable[[object], object]] = {
    "INT": _whole,
    "BIGINT": _whole,
    "SMALLINT": _whole,
    "TEXT": text_of,
    "VARCHAR": text_of,
    "CHAR": text_of,
    "FLOAT": float,  # type: ignore[dict-item] # raises TypeError
    "DOUBLE": float,  # type: ignore[dict-item] # raises TypeError
    "DECIMAL": lambda value: Decimal(str(value)),
    "BOOLEAN": _truth,
    "TIMESTAMP": moment_of,
    "TIMESTAMPTZ": moment_of,
}
CAST_KINDS = frozenset(_CASTS)
