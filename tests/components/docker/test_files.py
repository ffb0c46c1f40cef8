"""Logs are read across rotations, changes are told apart, archives stay inside of the root they are for."""

from __future__ import annotations

import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from maru.components.docker.engine.changes import changes_blocking
from maru.components.docker.engine.event_file import EventFile
from maru.components.docker.engine.log_reader import LogReader
from maru.components.docker.engine.tar_process import TarProcess, described
from maru.components.docker.engine.users import user_in_blocking
from maru.components.docker.model.events import Event
from maru.components.docker.model.logs import is_wanted, parse_record, read_query, shown
from maru.core.clock import SystemClock
from maru.core.errors import Invalid, NotFound

STAMP = "2026-01-01T00:00:0{}.000000000+00:00"


def log_of(folder: Path) -> Path:
    path = folder / "c.log"
    path.with_name("c.log.20260101-000000").write_text(f"{STAMP.format(1)} stdout F one\n")
    path.write_text(f"{STAMP.format(2)} stdout P tw\n{STAMP.format(2)} stdout F o\n{STAMP.format(3)} stderr F three\n")
    return path


@pytest.mark.parametrize(("tail", "lines"), [(None, 4), (0, 0), (1, 1), (2, 3), (3, 4), (9, 4)])
def test_tail_counts_whole_lines_across_rotated_files(tmp_path: Path, tail: int | None, lines: int) -> None:
    reader = LogReader(log_of(tmp_path))
    reader.open_blocking(tail)
    read = []
    while chunk := reader.read_blocking():
        read += chunk
    reader.close_blocking()
    assert len(read) == lines


def test_a_follower_goes_on_in_the_new_file(tmp_path: Path) -> None:
    path = log_of(tmp_path)
    reader = LogReader(path)
    reader.open_blocking(0)
    with path.open("a") as file:
        file.write("old\n")
    path.rename(path.with_name("c.log.20260101-000009"))
    path.write_text("new\n")
    assert reader.read_blocking() == [b"old"]
    assert reader.read_blocking() == [b"new"]
    reader.close_blocking()


def test_records_are_chosen_by_stream_and_time() -> None:
    record = parse_record(f"{STAMP.format(5)} stderr F oops".encode())
    assert record is not None
    now = SystemClock().now()
    asked = {"stderr": "1", "since": "2026-01-01T00:00:04Z", "timestamps": "1"}
    query = read_query(lambda name: asked.get(name, ""), now)
    assert is_wanted(record, query)
    assert shown(record, query, "") == b"2026-01-01T00:00:05.000000000Z oops\n"
    late = read_query(lambda name: {**asked, "since": "2026-01-01T00:00:06Z"}.get(name, ""), now)
    assert not is_wanted(record, late)
    with pytest.raises(Invalid, match="at least one stream"):
        read_query(lambda _: "", now)


def test_changes_say_what_was_added_changed_and_what_was_only_mounted(tmp_path: Path) -> None:
    layer, upper = tmp_path / "layer", tmp_path / "box" / "upper"
    (layer / "etc").mkdir(parents=True)
    (layer / "etc" / "passwd").write_text("old")
    (upper / "etc").mkdir(parents=True)
    (upper / "etc" / "passwd").write_text("new")
    (upper / "etc" / "hosts").touch()
    (upper / "fresh").touch()
    found = changes_blocking(str(tmp_path / "box" / "root"), [str(layer)])
    assert found == [{"Path": "/etc", "Kind": 0}, {"Path": "/etc/passwd", "Kind": 0}, {"Path": "/fresh", "Kind": 1}]


def test_users_come_from_the_roots_own_files_and_links_do_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("app:x:7:8:x:/srv/app:/bin/sh\n")
    (tmp_path / "etc" / "group").write_text("tools:x:9:app\n")
    found = user_in_blocking(str(tmp_path), "app", ["1000"])
    assert (found.uid, found.gid, found.groups, found.home) == (7, 8, (8, 9, 1000), "/srv/app")
    assert user_in_blocking(str(tmp_path), "55:tools", []).gid == 9
    with pytest.raises(Invalid, match="unable to find user root"):
        user_in_blocking(str(tmp_path), "root", [])
    (tmp_path / "etc" / "passwd").unlink()
    (tmp_path / "etc" / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(Invalid):
        user_in_blocking(str(tmp_path), "daemon", [])


@pytest.mark.root
async def test_archives_go_in_and_out_and_never_outside(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "trap").symlink_to(outside)
    await put(root, "/", {"a/b": b"content"})
    assert (root / "a" / "b").read_bytes() == b"content"
    assert b'"name": "b"' in await described(str(root), "/a/b")
    with pytest.raises(NotFound):
        await put(root, "/trap", {"x": b""})
    with pytest.raises(Invalid, match="leads out"):
        await put(root, "/", {"../x": b""})
    with pytest.raises(NotFound):
        await described(str(root), "/nope")
    assert list(outside.iterdir()) == []


async def put(root: Path, path: str, files: dict[str, bytes]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    async with TarProcess("unpack", str(root), path, "0", "") as process:
        await process.write(buffer.getvalue())
        process.end_input()
        await process.finish()


def test_events_are_there_after_a_restart_and_the_file_stays_small(tmp_path: Path) -> None:
    def event(number: int) -> Event:
        return Event(datetime.fromtimestamp(number, UTC), "volume", "create", str(number), {"driver": "local"})

    file, told = EventFile(tmp_path / "events", 10), [event(number) for number in range(100)]
    for number in range(100):
        file.append_blocking([event(number)], told[max(0, number - 9) : number + 1])
    with (tmp_path / "events").open("ab") as stream:
        stream.write(b'{"at": "cut o')
    again = EventFile(tmp_path / "events", 11).read_blocking()
    assert list(again) == told[-10:]
    assert len((tmp_path / "events").read_bytes().splitlines()) <= 21
