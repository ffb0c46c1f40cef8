"""Resource quantities (500m, 1.5Gi, 2e3), exact, and printed the canonical way.

A quantity is a whole number of nano units; what is finer is rounded away from zero, as the real
parser does. The suffix family it was written in decides how it is printed.
Source: k8s.io/apimachinery/pkg/api/resource, Quantity ("Before serializing, Quantity will be put in canonical form").
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from maru.core.errors import Invalid

NANO = 10**9
_PATTERN = re.compile(r"^([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$")
_DECIMAL_EXPONENTS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIXES = {exponent: suffix for suffix, exponent in _DECIMAL_EXPONENTS.items()}
_BINARY_POWERS = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_BINARY_SUFFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_EXPONENT_MAX = 30
_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Quantity:
    """nano: the value times 10**9. family: DecimalSI, BinarySI or DecimalExponent. Ordered by value through `nano`."""

    nano: int
    family: str = "DecimalSI"

    @property
    def milli(self) -> int:
        """Thousandths, rounded up."""
        return -(-self.nano // 10**6)

    @property
    def whole(self) -> int:
        """Units, rounded up."""
        return -(-self.nano // NANO)

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nano + other.nano, self.family if self.nano else other.family)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nano - other.nano, self.family if self.nano else other.family)

    def __str__(self) -> str:
        if self.family == "BinarySI" and abs(self.nano) >= 1024 * NANO:
            return _binary(self.nano)
        if self.family == "DecimalExponent":
            return _decimal(self.nano, lambda exponent: f"e{exponent}" if exponent else "")
        return _decimal(self.nano, _DECIMAL_SUFFIXES.__getitem__)


ZERO = Quantity(0)


def parse(text: object) -> Quantity:
    """The quantity that `text` (or a plain JSON number) names. Raises Invalid."""
    written = str(text).strip() if isinstance(text, str | int | float) and not isinstance(text, bool) else ""
    match = _PATTERN.match(written) if len(written) <= _LENGTH_MAX else None
    if match is None:
        raise Invalid(
            what=f"quantity {text!r}",
            why="quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        )
    sign, digits, exponent, suffix = match.groups()
    number = Decimal(digits)
    family = "DecimalSI"
    if exponent is not None:
        family = "DecimalExponent"
        power = int(exponent[1:])
        if abs(power) > _EXPONENT_MAX:
            raise Invalid(what=f"quantity {text!r}", why=f"its exponent is beyond {_EXPONENT_MAX}")
        number = number.scaleb(power)
    elif suffix in _BINARY_POWERS:
        family = "BinarySI"
        number *= 1024 ** _BINARY_POWERS[suffix]
    else:
        number = number.scaleb(_DECIMAL_EXPONENTS[suffix or ""])
    nano = int((number * NANO).to_integral_value(rounding=ROUND_UP))
    return Quantity(-nano if sign == "-" else nano, family)


def canonical(text: object) -> str:
    """`text` in canonical form: 1000m is 1, 1024Ki is 1Mi. Raises Invalid."""
    return str(parse(text))


def _binary(nano: int) -> str:
    whole = -(-abs(nano) // NANO)
    power = 0
    while whole % 1024 == 0 and power < len(_BINARY_SUFFIXES) - 1:
        whole //= 1024
        power += 1
    return f"{'-' if nano < 0 else ''}{whole}{_BINARY_SUFFIXES[power]}"


def _decimal(nano: int, suffix: Callable[[int], str]) -> str:
    if nano == 0:
        return "0"
    mantissa, exponent = abs(nano), -9
    while mantissa % 1000 == 0 and exponent < 18:
        mantissa //= 1000
        exponent += 3
    return f"{'-' if nano < 0 else ''}{mantissa}{suffix(exponent)}"
