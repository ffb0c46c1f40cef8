"""Which paths patterns keep out."""

from __future__ import annotations

import pytest

from maru.wire.dockerfile.ignore import fits, is_ignored, read_ignore


@pytest.mark.parametrize(
    ("path", "is_out"),
    [
        ("a.log", True),
        ("deep/a.log", False),
        ("keep.log", False),
        ("node/x/y", True),
        ("node/x/keep.me", False),
        ("x/y/z.tmp", True),
        ("z.tmp", True),
        ("Dockerfile", True),
        ("src/main.c", False),
    ],
)
def test_the_last_pattern_that_fits_decides(path: str, is_out: bool) -> None:
    patterns = read_ignore("# all\n*.log\n!keep.log\n\n/node/\n!node/*/keep.me\n**/*.tmp\nDocker?ile\n")
    assert is_ignored(path, patterns) is is_out


def test_a_star_of_copy_stays_in_its_folder() -> None:
    assert fits("a.txt", "*.txt") and fits("b1", "b[0-9]")
    assert not fits("a/b.txt", "*.txt")
