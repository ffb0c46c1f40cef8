"""Quantities, exact and canonical."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maru.core.errors import Invalid
from maru.kinds.quantity import NANO, Quantity, canonical, parse


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("1", NANO),
        ("500m", NANO // 2),
        ("1.5", NANO * 3 // 2),
        (".5", NANO // 2),
        ("1n", 1),
        ("1Ki", 1024 * NANO),
        ("1.5Gi", 1536 * 1024**2 * NANO),
        ("2e3", 2000 * NANO),
        ("2E3", 2000 * NANO),
        ("2E", 2 * 10**18 * NANO),
        ("-3", -3 * NANO),
        ("0.0000000001", 1),
        (4, 4 * NANO),
    ],
)
def test_a_quantity_is_read_exactly(text: object, nano: int) -> None:
    assert parse(text).nano == nano


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0.5", "500m"),
        ("1024Ki", "1Mi"),
        ("1000Ki", "1000Ki"),
        ("1000000", "1M"),
        ("0", "0"),
        ("1.5Gi", "1536Mi"),
        ("2e3", "2e3"),
        ("0.5Ki", "512"),
        ("100k", "100k"),
        ("1000k", "1M"),
    ],
)
def test_a_quantity_is_printed_the_canonical_way(text: str, printed: str) -> None:
    assert canonical(text) == printed


@pytest.mark.parametrize("text", ["", "abc", "1 Gi", "1Kb", "--1", "1e", "0x10", None, True, "1" * 100, "1e99", "Gi"])
def test_what_is_no_quantity_is_invalid(text: object) -> None:
    with pytest.raises(Invalid):
        parse(text)


@given(st.integers(min_value=-(10**24), max_value=10**24), st.sampled_from(["DecimalSI", "DecimalExponent"]))
def test_printing_loses_nothing(nano: int, family: str) -> None:
    assert parse(str(Quantity(nano, family))).nano == nano


@given(st.integers(min_value=0, max_value=2**60))
def test_whole_bytes_survive_in_binary(count: int) -> None:
    assert parse(str(Quantity(count * NANO, "BinarySI"))).nano == count * NANO
