"""What is opened below a folder stays below it, and what is made there looks like it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from maru.linux.bind_mounts import open_beneath_blocking


@pytest.mark.parametrize("mode", [0o777, 0o2775, 0o700])
def test_made_folders_have_the_mode_of_their_volume(tmp_path: Path, mode: int) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(mode)
    os.close(open_beneath_blocking(str(volume), "one/two", make=True))
    for made in ("one", "one/two"):
        assert stat.S_IMODE((volume / made).stat().st_mode) == mode


def test_what_is_missing_is_made_only_when_asked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_beneath_blocking(str(tmp_path), "one", make=False)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/etc")
    with pytest.raises(PermissionError):
        open_beneath_blocking(str(tmp_path), "out", make=True)
