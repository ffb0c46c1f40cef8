"""Query languages and dates as text."""

from __future__ import annotations

import pytest

from maru.wire.elastic.dates import DEFAULT, DateError, Format, iso, math
from maru.wire.elastic.kql import KqlFault, to_query
from maru.wire.elastic.lucene import SyntaxFault, parse


@pytest.mark.parametrize("text", ["a AND (", "foo:", '"open', "[1 TO", "a AND", "\\"])
def test_broken_lucene_query_is_refused(text: str) -> None:
    with pytest.raises(SyntaxFault):
        parse(text)


@pytest.mark.parametrize("text", ["a:", "(a", "a: {b", ": x"])
def test_broken_kql_query_is_refused(text: str) -> None:
    with pytest.raises(KqlFault):
        to_query(text)


def test_date_math_rounds_the_way_a_bound_needs() -> None:
    form = Format(DEFAULT)
    assert iso(math("2024-01-31||+1M/d", 0, form)) == "2024-02-29T00:00:00.000Z"
    assert iso(math("now/d", 1_700_000_000_000, form, round_up=True)) == "2023-11-14T23:59:59.999Z"
    assert Format("dd/MMM/yyyy:HH:mm:ss Z").parse("10/Oct/2000:13:55:36 -0700") == 971_211_336_000
    with pytest.raises(DateError, match="failed to parse date field"):
        form.parse("yesterday")
