"""Variables go in, quotes come off, as the Dockerfile reference has it."""

from __future__ import annotations

import pytest

from maru.wire.dockerfile.lines import DockerfileError
from maru.wire.dockerfile.words import expand, expand_words, split_raw

HERE = {"A": "one", "E": "", "S": "x  y"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A", "one"),
        ("${A}b$A.c", "oneb" + "one.c"),
        ("$N|${N}", "|"),
        ("${N:-d} ${E:-d} ${A:-d}", "d d one"),
        ("${N-d} ${E-d}", "d "),
        ("${N:+d}${E:+d}${A:+d} ${E+d}", "d d"),
        ("${N:-${A:-x}}", "one"),
        ("'$A' \"$A\"", "$A one"),
        (r"\$A \"x", '$A "x'),
        (r'"\$A \n"', "$A \\n"),
        ("$", "$"),
        ("a$ b", "a$ b"),
        ("it's'", "its"),
        ("${S}", "x  y"),
    ],
)
def test_one_word(text: str, value: str) -> None:
    assert expand(text, HERE) == value


def test_words_split_where_variables_have_blanks_and_not_in_quotes() -> None:
    assert expand_words("a $S \"$S\" 'b c' d\\ e", HERE) == ["a", "x", "y", "x  y", "b c", "d e"]


def test_raw_words_keep_their_quotes() -> None:
    assert split_raw("a='b c' d\\ e \"f 'g\"") == ["a='b c'", "d\\ e", '"f \'g"']


def test_other_escape_leaves_backslashes() -> None:
    assert expand("a`$A c:\\d", HERE, "`") == "a$A c:\\d"


@pytest.mark.parametrize("text", ["'a", '"a', "${A", "${A:~x}", "${}", "${N:?gone}"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(DockerfileError):
        expand(text, HERE)
