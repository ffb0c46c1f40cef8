"""kill -9 in the middle of writing, and a disk that is really full."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from maru.core.clock import SystemClock
from maru.core.document import Key
from maru.core.errors import Unavailable
from maru.core.store.interface import Change
from maru.core.store.opening import open_store
from tests.suites.store import key, put

WRITER = """
import asyncio, os, sys
from pathlib import Path
from maru.core.clock import SystemClock
from maru.core.document import Key
from maru.core.store.interface import Change
from maru.core.store.opening import open_store

async def put(store, name, number):
    value = {"metadata": {"name": name, "namespace": "default"}, "spec": {"number": number, "text": "x" * 1500}}
    (document,) = await store.write([Change(Key("pods", "default", name), value)])
    os.write(1, f"{document.version} put {name} {number}\\n".encode())

async def write(store, worker):
    number = 0
    while True:
        await put(store, f"{sys.argv[2]}-{worker}-{number}", number)
        await put(store, f"count-{worker}", number)
        if number % 3 == 2:
            name = f"{sys.argv[2]}-{worker}-{number - 1}"
            os.write(1, f"0 deleting {name} 0\\n".encode())
            (document,) = await store.write([Change(Key("pods", "default", name), None)])
            os.write(1, f"{document.version} deleted {name} 0\\n".encode())
        number += 1

async def main():
    async with open_store(Path(sys.argv[1]), SystemClock()) as store:
        await asyncio.gather(*(write(store, worker) for worker in range(16)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledgements", [1, 200, 3000])
async def test_no_acknowledged_write_is_lost_by_kill_9(tmp_path: Path, acknowledgements: int) -> None:
    path = tmp_path / "store.db"
    highest = 0
    want: dict[str, int] = {}  # name to the least version it must have
    gone: set[str] = set()
    for run in ("first", "second"):
        for line in killed_writer(path, run, acknowledgements):
            version, verb, name, _ = line.split()
            if verb == "put":
                assert int(version) > want.get(name, highest if name.startswith("second") else 0)
                want[name] = int(version)
            else:
                want.pop(name, None)
                gone |= {name} if verb == "deleted" else set()
            highest = max(highest, int(version))
        async with open_store(path, SystemClock()) as store:
            assert store.version >= highest
            highest = store.version
            for name, version_at in want.items():
                document = store.get(Key("pods", "default", name))
                assert document is not None, f"{name} is lost"
                assert (
                    document.version == version_at if not name.startswith("count") else document.version >= version_at
                )
            assert not [name for name in gone if store.get(Key("pods", "default", name)) is not None]


def killed_writer(path: Path, run: str, acknowledgements: int) -> list[str]:
    """What a writer acknowledged until it was killed, after at least so many lines."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), run], stdout=subprocess.PIPE)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(acknowledgements)]
    os.kill(process.pid, signal.SIGKILL)
    lines += process.stdout.read().splitlines(keepends=True)
    process.wait()
    process.stdout.close()
    return [line.decode() for line in lines if line.endswith(b"\n")]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
async def test_disk_that_is_really_full_loses_nothing(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "maru-test-store", str(tmp_path)], check=True)
    try:
        path = tmp_path / "store.db"
        names: list[str] = []
        async with open_store(path, SystemClock()) as store:
            with pytest.raises(Unavailable, match="full"):
                for number in range(2000):
                    await store.write([put(f"{number:05}", text="x" * 3000)])
                    names.append(f"{number:05}")
            assert len(names) > 20
            assert [d.key.name for d in store.list("pods").documents] == names
            version = store.version
        assert shutil.disk_usage(tmp_path).total <= 1024 * 1024
        async with open_store(path, SystemClock()) as store:
            assert [d.key.name for d in store.list("pods").documents] == names
            assert store.version == version
        subprocess.run(["mount", "-o", "remount,size=8m", str(tmp_path)], check=True)
        async with open_store(path, SystemClock()) as store:
            await store.write([put("more", text="x" * 3000), Change(key(names[0]), None)])
            assert store.count("pods") == len(names)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
