"""A lock has one holder, which is known by number, and ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maru.boot.holding import held_blocking, holder
from maru.core.errors import Denied, Unavailable

HOLD = """
import sys
from pathlib import Path
from maru.boot.holding import held_blocking
with held_blocking(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_holder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder(path) == 0
    with held_blocking(path, "the work"):
        assert holder(path) == os.getpid()
        with pytest.raises(Unavailable, match=f"process {os.getpid()}"), held_blocking(path, "the work"):
            raise AssertionError("held twice")
    assert holder(path) == 0
    with held_blocking(path, "the work"):
        assert holder(path) == os.getpid()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert holder(path) == other.pid
        other.kill()
    assert holder(path) == 0


def test_a_lock_whose_file_was_removed_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held_blocking(path, "the work"):
        path.unlink()
        with held_blocking(path, "the work"):
            assert holder(path) == os.getpid()


def test_a_holder_without_room_for_its_number_is_still_known(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held_blocking(path, "the work"):
        os.truncate(path, 0)
        assert holder(path) == os.getpid()


def test_a_lock_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(Denied), held_blocking(tmp_path / "none" / "lock", "the work"):
        raise AssertionError("held")
