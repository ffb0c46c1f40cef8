"""What is kept in memory of objects is never older than what was acknowledged."""

from __future__ import annotations

import asyncio

from maru.components.aws_s3.engine.recent import ENTRIES_MAX, Recent
from maru.components.aws_s3.engine.versions import Place
from tests.components.aws_s3.conftest import World

PLACE = Place("b", "k")


def test_a_read_that_overlaps_a_change_is_not_kept() -> None:
    recent: Recent[str] = Recent()
    before = recent.mark()
    recent.begin(PLACE)
    recent.keep(PLACE, "old", before)
    assert recent.get(PLACE) is None
    recent.end(PLACE)
    recent.keep(PLACE, "old", before)
    assert recent.get(PLACE) is None
    recent.keep(PLACE, "new", recent.mark())
    assert recent.get(PLACE) == "new"


def test_a_change_of_everything_forgets_everything_and_there_is_a_bound() -> None:
    recent: Recent[str] = Recent()
    for number in range(ENTRIES_MAX + 1):
        recent.keep(Place("b", str(number)), "x", recent.mark())
    assert recent.get(Place("b", "0")) is None
    recent.begin(None)
    assert recent.get(Place("b", "5")) is None
    recent.keep(PLACE, "x", recent.mark())
    assert recent.get(PLACE) is None
    recent.end(None)


async def test_every_read_sees_the_last_acknowledged_write(s3: World) -> None:
    bucket = await s3.bucket()
    await s3("PutObject", b"0", Bucket=bucket, Key="k")

    async def read_on() -> list[bytes]:
        return [(await s3("GetObject", Bucket=bucket, Key="k"))["Body"] for _ in range(30)]

    readers = [asyncio.ensure_future(read_on()) for _ in range(4)]
    for number in range(1, 12):
        await s3("PutObject", str(number).encode(), Bucket=bucket, Key="k")
        assert (await s3("GetObject", Bucket=bucket, Key="k"))["Body"] == str(number).encode()
    for seen in await asyncio.gather(*readers):
        assert [int(body) for body in seen] == sorted(int(body) for body in seen)
    await s3("PutObjectTagging", Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert (await s3("GetObject", Bucket=bucket, Key="k"))["TagCount"] == 1
    await s3("DeleteObject", Bucket=bucket, Key="k")
    assert await s3.refused("GetObject", Bucket=bucket, Key="k") == "NoSuchKey"
