"""A Dockerfile's text becomes stages and instructions, or the builder's own error."""

from __future__ import annotations

import pytest

from maru.wire.dockerfile.lines import DockerfileError, Document
from maru.wire.dockerfile.stages import parse


def steps(*lines: str) -> list[tuple[str, tuple[str, ...]]]:
    text = "\n".join(("FROM busybox", *lines))
    return [(step.keyword, step.words) for step in parse(text).stages[0].steps]


def test_lines_join_over_comments_and_empty_lines() -> None:
    assert steps("RUN a && \\", "  # why", "", "  b") == [("RUN", ("a &&   b",))]


def test_escape_directive_changes_what_joins_lines() -> None:
    parsed = parse("# escape=`\nFROM busybox\nRUN a `\n b\nRUN c\\")
    assert [step.text for step in parsed.stages[0].steps] == ["a  b", "c\\"]


def test_directive_behind_a_comment_is_a_comment() -> None:
    assert parse("# hello\n# escape=`\nFROM busybox\nRUN a \\\n b").stages[0].steps[0].text == "a  b"


def test_list_form_is_told_from_shell_form() -> None:
    listed, shell = parse('FROM b\nCMD ["a b", "c"]\nCMD [a b]').stages[0].steps
    assert (listed.is_list, listed.words) == (True, ("a b", "c"))
    assert (shell.is_list, shell.words) == (False, ("[a b]",))


def test_pairs_keep_quotes_for_later_and_the_old_form_takes_the_rest() -> None:
    new, old = parse("FROM b\nENV A=b 'C'=\"d e\" F=g\\ h\nENV X y  z").stages[0].steps
    assert new.pairs == (("A", "b"), ("'C'", '"d e"'), ("F", "g\\ h"))
    assert old.pairs == (("X", "y  z"),)


def test_here_documents_belong_to_their_instruction() -> None:
    first, second = (
        parse("FROM b\nCOPY <<one <<-'two' /x/\n1\none\n\t\t2 $A\ntwo\nRUN <<EOF cat\nhi\nEOF").stages[0].steps
    )
    assert first.documents == (Document("one", "1\n"), Document("two", "2 $A\n", is_literal=True))
    assert (second.text, second.documents) == ("<<EOF cat", (Document("EOF", "hi\n"),))


def test_shell_redirections_are_no_here_documents() -> None:
    (step,) = parse("FROM b\nRUN cat <<<word").stages[0].steps
    assert step.documents == ()


def test_stages_have_names_and_a_target_ends_the_file() -> None:
    parsed = parse("ARG V=1\nFROM a:$V AS One\nRUN x\nFROM --platform=linux/amd64 b\nFROM c")
    assert [(stage.base, stage.name, stage.platform) for stage in parsed.stages] == [
        ("a:$V", "one", ""),
        ("b", "", "linux/amd64"),
        ("c", "", ""),
    ]
    assert [len(parsed.up_to(target).stages) for target in ("", "ONE", "1")] == [3, 1, 2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "file with no instructions"),
        ("# only this", "file with no instructions"),
        ("RUN x", "no build stage in current context"),
        ("FROM a\n\nNOPE x", "on line 3: unknown instruction: NOPE"),
        ("FROM a b", "FROM requires either one or three arguments"),
        ("FROM a AS 1x", "invalid name for build stage"),
        ("FROM a\nCOPY x", "COPY requires at least two arguments"),
        ("FROM a\nCOPY --nope=1 x y", "unknown flag: nope"),
        ("FROM a\nENV A=b c", 'Syntax error - can\'t find = in "c"'),
        ("FROM a\nENV A", "ENV must have two arguments"),
        ("FROM a\nONBUILD ONBUILD RUN x", "Chaining ONBUILD"),
        ("FROM a\nONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("FROM a\nSHELL x", "SHELL requires the arguments to be in JSON form"),
        ("FROM a\nHEALTHCHECK maybe", 'unknown type "maybe"'),
        ("FROM a\nRUN <<EOF\nx", "unterminated heredoc"),
        ("# escape=x\nFROM a", "invalid escape token"),
    ],
)
def test_what_is_wrong_is_said_in_the_builders_words(text: str, words: str) -> None:
    with pytest.raises(DockerfileError) as refused:
        parse(text)
    assert words in str(refused.value)


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(DockerfileError, match='target stage "x" could not be found'):
        parse("FROM a").up_to("x")
