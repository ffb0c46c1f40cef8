"""Lines of growing files are read once each, through rotation, truncation and restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from maru.components.pipelines.engine.tailing import Mark, Tailed, Tails


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def tails(tmp_path: Path, *, from_start: bool = True) -> Tails:
    made = Tails(tmp_path / "kept" / "positions", from_start=from_start)
    made.open_blocking()
    return made


def lines(made: Tails, folder: Path, *, safe: bool = True) -> list[bytes]:
    found: list[bytes] = []
    marks: list[Mark] = []
    file: Tailed
    for file in made.find_blocking(sorted(folder.glob("app.log*"))):
        for line, end in made.read_blocking(file):
            found.append(line)
            marks.append(file.mark(end))
    for mark in reversed(marks):  # workers finish in any order
        if safe:
            mark.safe()
    return found


def test_only_whole_lines_are_given_and_each_once(tmp_path: Path, log: Path) -> None:
    made = tails(tmp_path)
    log.write_bytes(b"one\ntw")
    assert lines(made, tmp_path) == [b"one"]
    with log.open("ab") as file:
        file.write(b"o\nthree\n")
    assert lines(made, tmp_path) == [b"two", b"three"]
    assert lines(made, tmp_path) == []


def test_a_file_that_was_moved_aside_is_read_to_its_end(tmp_path: Path, log: Path) -> None:
    made = tails(tmp_path)
    log.write_bytes(b"one\n")
    assert lines(made, tmp_path) == [b"one"]
    with log.open("ab") as file:
        file.write(b"two\n")
    log.rename(tmp_path / "app.log.1")
    log.write_bytes(b"three\n")
    assert sorted(lines(made, tmp_path)) == [b"three", b"two"]


def test_after_a_restart_reading_goes_on_behind_what_is_safe(tmp_path: Path, log: Path) -> None:
    made = tails(tmp_path)
    log.write_bytes(b"one\n")
    lines(made, tmp_path)
    with log.open("ab") as file:
        file.write(b"two\n")
    lines(made, tmp_path, safe=False)
    made.save_blocking()
    made.close_blocking()
    assert lines(tails(tmp_path), tmp_path) == [b"two"]


def test_another_file_under_the_same_inode_is_read_from_its_start(tmp_path: Path, log: Path) -> None:
    made = tails(tmp_path)
    log.write_bytes(b"one\ntwo\n")
    lines(made, tmp_path)
    made.save_blocking()
    made.close_blocking()
    log.write_bytes(b"eno\nowt\nmore\n")
    assert lines(tails(tmp_path), tmp_path) == [b"eno", b"owt", b"more"]


def test_a_file_that_was_cut_begins_anew(tmp_path: Path, log: Path) -> None:
    made = tails(tmp_path)
    log.write_bytes(b"a long line\n")
    lines(made, tmp_path)
    log.write_bytes(b"new\n")
    assert lines(made, tmp_path) == [b"new"]


def test_from_the_end_only_what_comes_is_read(tmp_path: Path, log: Path) -> None:
    log.write_bytes(b"old\n")
    made = tails(tmp_path, from_start=False)
    assert lines(made, tmp_path) == []
    with log.open("ab") as file:
        file.write(b"new\n")
    assert lines(made, tmp_path) == [b"new"]


def test_a_line_without_end_is_cut(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maru.components.pipelines.engine.tailing.LINE_BYTES_MAX", 4)
    made = tails(tmp_path)
    log.write_bytes(b"123456")
    assert lines(made, tmp_path) == [b"123456"]
    with log.open("ab") as file:
        file.write(b"7\n")
    assert lines(made, tmp_path) == [b"7"]
