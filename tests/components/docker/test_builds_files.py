"""Files of a build go where they should, and lead nowhere else."""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

import pytest

from maru.components.docker.engine.builds.context import NoSuchSource, combined, find_blocking
from maru.components.docker.engine.builds.copying import Owner, copy_blocking, folder_blocking
from maru.components.docker.engine.builds.merging import merge_blocking
from maru.components.docker.engine.builds.secrets import (
    laid_out_blocking,
    missing_blocking,
    put_away_blocking,
    remove_blocking,
)
from maru.components.docker.engine.changes import OPAQUE, layer_blocking
from maru.components.docker.model.builds.secrets import SecretMount
from maru.core.errors import Invalid

OWN = Owner(os.getuid(), os.getgid())


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "d" / "e").mkdir(parents=True)
    (folder / "d" / "one.txt").write_text("1")
    (folder / "d" / "two.txt").write_text("2")
    (folder / "d" / "e" / "three").write_text("3")
    (folder / "d" / "link").symlink_to("one.txt")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "etc").mkdir(parents=True)
    return folder


def test_patterns_find_in_the_order_of_names(context: Path) -> None:
    assert [each.name for each in find_blocking(str(context), "/d/*.txt")] == ["one.txt", "two.txt"]
    assert [each.name for each in find_blocking(str(context), "*/e/thre?")] == ["three"]
    assert find_blocking(str(context), "d/*.none") == []
    with pytest.raises(NoSuchSource):
        find_blocking(str(context), "d/none")


def test_a_digest_stands_for_names_modes_and_content_and_not_for_times(context: Path) -> None:
    def digest() -> str:
        return combined(find_blocking(str(context), "d"))

    first = digest()
    os.utime(context / "d" / "one.txt", (1, 1))
    assert digest() == first
    seen = {first}
    (context / "d" / "one.txt").write_text("x")
    seen.add(digest())
    (context / "d" / "one.txt").chmod(0o755)
    seen.add(digest())
    (context / "d" / "one.txt").rename(context / "d" / "other")
    seen.add(digest())
    (context / "d" / "link").unlink()
    seen.add(digest())
    assert len(seen) == 5


def test_links_of_a_context_lead_nowhere_outside(context: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (context / "up").symlink_to("../../../../../../..")
    (context / "out").symlink_to(tmp_path / "secret")
    for source in ("out", "../secret", f"up{tmp_path}/secret"):
        with pytest.raises(NoSuchSource):
            find_blocking(str(context), source)


def test_folders_and_files_are_copied_over_what_stands_there(context: Path, root: Path) -> None:
    (root / "to" / "e").mkdir(parents=True)
    (root / "to" / "one.txt").symlink_to("/etc/passwd")
    (found,) = find_blocking(str(context), "d")
    copy_blocking(found, str(root), "/to", Owner(OWN.uid, OWN.gid, 0o700))
    assert (root / "to" / "one.txt").read_text() == "1"
    assert not (root / "to" / "one.txt").is_symlink()
    assert (root / "to" / "link").readlink() == Path("one.txt")
    assert (root / "to" / "e" / "three").stat().st_mode & 0o777 == 0o700


def test_a_target_goes_by_the_links_of_its_own_root(context: Path, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "way").symlink_to("/etc")
    (root / "trap").symlink_to(str(outside))
    (found,) = find_blocking(str(context), "d/one.txt")
    copy_blocking(found, str(root), "/way/", OWN)
    assert (root / "etc" / "one.txt").read_text() == "1"
    with pytest.raises(OSError):
        copy_blocking(found, str(root), "/trap/", OWN)
    assert list(outside.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_refused(root: Path) -> None:
    (root / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        folder_blocking(str(root), "/file", OWN)


@pytest.mark.root
def test_layers_made_one_show_what_they_showed_and_hide_what_they_hid(tmp_path: Path) -> None:
    below, first, second, third = (tmp_path / name for name in ("0", "1", "2", "3"))
    for folder in (first / "gone", first / "kept", second / "gone", second / "fresh", third, below / "away"):
        folder.mkdir(parents=True)
    for file in (first / "gone" / "a", first / "kept" / "b", first / "file", second / "gone" / "c", third / "file"):
        file.write_text(str(file))
    os.mknod(first / "fresh", stat.S_IFCHR, 0)  # takes away a folder below all of them
    for place in (second / "away", second / "gone" / "d", third / "nothing"):
        os.mknod(place, stat.S_IFCHR, 0)
    os.setxattr(second / "gone", OPAQUE, b"y")
    (first / "kept").chmod(0o700)
    merge_blocking([str(each) for each in (first, second, third)], [str(below)], tmp_path / "merged" / "upper")
    layer_blocking(str(tmp_path / "merged" / "root"), str(tmp_path / "layer.tar"))
    with tarfile.open(tmp_path / "layer.tar") as tar:
        found = {member.name: member for member in tar}
        body = tar.extractfile("file")
        assert body is not None
        assert body.read().decode() == str(third / "file")
    assert list(found) == [
        *(".wh.away", "file", "fresh", "fresh/.wh..wh..opq"),
        *("gone", "gone/.wh..wh..opq", "gone/c", "kept", "kept/b"),
    ]
    assert found["kept"].mode == 0o700
    assert (first / "gone" / "a").exists()


def test_a_secret_of_a_build_leaves_the_context_and_no_trace_in_the_layer(context: Path, root: Path) -> None:
    (context / "token").write_text("hunter2")
    put_away_blocking(str(context), context.parent / "secrets", {"tok": "token"})
    assert (context / "token").exists() is False
    laid_out_blocking(context.parent / "secrets" / "0", context.parent / "given", SecretMount("tok", "/x", 0o440))
    assert ((context.parent / "given").read_text(), (context.parent / "given").stat().st_mode & 0o777) == (
        "hunter2",
        0o440,
    )
    before = sorted(path.name for path in root.iterdir())
    made = missing_blocking(str(root), ["/run/secrets/tok"])
    (root / "run" / "secrets").mkdir(parents=True)
    (root / "run" / "secrets" / "tok").touch()
    remove_blocking(str(root), made)
    assert sorted(path.name for path in root.iterdir()) == before


@pytest.mark.parametrize("source", ["nothing", "../outside", "link"])
def test_a_secret_that_is_no_file_of_the_context_is_refused(context: Path, source: str) -> None:
    (context.parent / "outside").write_text("of the machine")
    (context / "link").symlink_to(context.parent / "outside")
    with pytest.raises(Invalid, match="no file of the context"):
        put_away_blocking(str(context), context.parent / "secrets", {"tok": source})
