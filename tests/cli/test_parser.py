"""The command line: what it accepts, and what it says."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from maru.cli.main import COMMANDS, main, parser

ELSEWHERE = Path("/srv/x")


@pytest.mark.parametrize(
    "line",
    [
        "--data-dir /srv/x image ls",
        "image --data-dir /srv/x ls",
        "image ls --data-dir /srv/x",
        "status --data-dir /srv/x",
        "--data-dir /srv/x status -o json",
        "logs --data-dir=/srv/x node -f",
        "--data-dir /srv/y up --data-dir /srv/x",
    ],
)
def test_the_folder_may_stand_anywhere(line: str) -> None:
    assert parser().parse_args(line.split()).data_dir == ELSEWHERE


def test_the_folder_has_a_default_and_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert parser().parse_args(["image", "ls"]).data_dir == Path("/var/lib/maru")
    monkeypatch.chdir(tmp_path)
    assert parser().parse_args(["status", "--data-dir", "a/../b/"]).data_dir == tmp_path / "b"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([command, "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"examples:\n  {COMMANDS[command][1].splitlines()[0]}" in said
    assert "--data-dir" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_are_lines_that_the_parser_takes(command: str) -> None:
    for line in COMMANDS[command][1].splitlines():
        words = line.partition("maru ")[2].split(">")[0].strip('") ').split()
        assert parser().parse_args(words).command == parser(words).parse_args(words).command == command


@pytest.mark.parametrize(
    "line", ["", "nonsense", "up --port-offset many", "status --data-dir", "logs -n -1", "up --processes two"]
)
def test_wrong_arguments_end_with_code_two(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(line.split())
    assert ended.value.code == 2
    assert "usage: maru" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert all(command in said for command in COMMANDS)


def test_a_failure_is_two_lines_and_code_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data-dir", str(tmp_path), "status"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("maru: ")
    assert said[1] == f"  to mend it: run `maru up --data-dir {tmp_path}`"


def test_the_parser_is_made_anew_each_time() -> None:
    assert isinstance(parser(), argparse.ArgumentParser)
    assert parser() is not parser()
