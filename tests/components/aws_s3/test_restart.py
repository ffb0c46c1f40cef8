"""What is there after a restart, and what a crash left."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from maru.components.aws_s3 import component
from maru.components.aws_s3.engine.contents import Contents
from maru.components.aws_s3.engine.digests import Digests
from maru.core.clock import SystemClock
from maru.core.ids import SystemIds
from tests.components.aws_s3.conftest import TurnedClock, World, needs, pieces_of
from tests.components.aws_s3.waiting import wait_until
from tests.fakes.client import FakeClients


async def test_all_is_there_after_a_restart_and_lost_files_are_not(tmp_path: Path) -> None:
    clock = TurnedClock()
    clients = FakeClients(clock)

    def world(gives: component.Gives, wants: component.Needs) -> World:
        return World(gives.s3, clock, tmp_path / "aws_s3", wants.authorizer, wants.keys[0], clients)

    wants = needs(tmp_path, clients, clock)
    async with component.open(wants) as gives:
        s3 = world(gives, wants)
        bucket = await s3.bucket()
        await s3.put(bucket, "small", b"1")
        await s3.put(bucket, "large", b"2" * 9000)
        upload = await s3("CreateMultipartUpload", Bucket=bucket, Key="up")
    folder = tmp_path / "aws_s3" / "content"
    (folder / "00").mkdir(exist_ok=True)
    (folder / "00" / "100").write_bytes(b"lost by a crash")
    (folder / "incoming" / "101").write_bytes(b"half of an upload")
    async with component.open(wants) as gives:
        s3 = world(gives, wants)
        assert (await s3("GetObject", Bucket=bucket, Key="small"))["Body"] == b"1"
        assert (await s3("GetObject", Bucket=bucket, Key="large"))["Body"] == b"2" * 9000
        assert [one["UploadId"] for one in (await s3("ListMultipartUploads", Bucket=bucket))["Uploads"]] == [
            upload["UploadId"]
        ]
        assert not list(folder.glob("incoming/*"))
        await s3.clock.advance(10)
        await wait_until(lambda: not (folder / "00" / "100").exists(), clock)
    assert len(list(folder.glob("??/*"))) == 1


async def test_writers_at_once_share_commits_and_all_are_kept(s3: World) -> None:
    bucket = await s3.bucket()
    await asyncio.gather(*(s3.put(bucket, f"k{number:03d}", b"%d" % number) for number in range(300)))
    listed = await s3("ListObjectsV2", Bucket=bucket)
    assert [one["Key"] for one in listed["Contents"]] == [f"k{number:03d}" for number in range(300)]


async def test_of_two_puts_only_if_absent_one_wins(s3: World) -> None:
    bucket = await s3.bucket()
    puts = (s3.put(bucket, "a", b"%d" % number, IfNoneMatch="*") for number in range(10))
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert len([result for result in results if isinstance(result, dict)]) == 1


async def test_an_upload_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    contents = Contents(tmp_path, SystemClock(), SystemIds(), 10)
    await contents.open(1)

    async def broken():  # type: ignore[no-untyped-def]
        async for piece in pieces_of(b"x" * 3_000_000):
            yield piece
        raise ConnectionError

    with suppress(ConnectionError):
        await contents.write(broken(), b"k" * 32, Digests(()))
    await wait_until(lambda: not list(tmp_path.glob("*/*")))
    await contents.close()
