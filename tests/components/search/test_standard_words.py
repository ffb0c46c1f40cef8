"""The short way of the standard analyzer gives the words that its long way gives."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from maru.components.search.model.analysis.analyzers import Analyzers
from maru.components.search.model.analysis.spacing import spaced, spaced_tokens
from maru.components.search.model.analysis.tokens import Token

_STANDARD = Analyzers().named("standard")


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet="aB1._:,;' -\n\u00b7\u2019\u00c9\u0301\u6f22\u3042\ud55cs", max_size=16))
def test_words_of_any_text_are_those_of_the_analyzer(text: str) -> None:
    assert spaced(text).split() == [token.text for token in _STANDARD.tokens(text)]


def test_addresses_names_and_numbers_stay_whole() -> None:
    text = "GET /a.b?c=d from 10.0.0.1:80 took 1,5s. User_1's e-mail: x.y@z.de;"
    words = [
        "get",
        "a.b",
        "c",
        "d",
        "from",
        "10.0.0.1",
        "80",
        "took",
        "1,5s",
        "user_1",
        "s",
        "e",
        "mail",
        "x.y",
        "z.de",
    ]
    assert spaced(text).split() == words == [token.text for token in _STANDARD.tokens(text)]


def test_a_word_without_end_is_cut_at_255_letters() -> None:
    assert [len(word) for word in spaced("x" * 600 + " " + "y" * 3).split()] == [255, 255, 90, 3]


def test_tokens_with_gaps_or_spaces_are_not_told_as_text() -> None:
    assert spaced_tokens([Token("a", 0, 1, 0), Token("b", 2, 3, 1)]) == "a b"
    assert spaced_tokens([Token("a", 0, 1, 0), Token("b", 6, 7, 2)]) is None
    assert spaced_tokens([Token("a b", 0, 3, 0)]) is None
