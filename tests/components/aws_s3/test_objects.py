"""Objects: put, read, conditions, ranges, checksums, names, and what is left on the disk."""

from __future__ import annotations

import base64
import hashlib
import os
import zlib

import pytest

from maru.components.aws_s3.engine import contents
from maru.core.errors import Broken
from tests.components.aws_s3.conftest import World
from tests.components.aws_s3.waiting import wait_until

LARGE = os.urandom(3 * 1024 * 1024 + 17)


@pytest.mark.parametrize("content", [b"", b"x", b"y" * 4096, b"z" * 4097, LARGE], ids=len)
async def test_an_object_reads_as_it_was_put(s3: World, content: bytes) -> None:
    bucket = await s3.bucket()
    put = await s3.put(bucket, "a", content, ContentType="text/plain", Metadata={"One": "1"})
    got = await s3("GetObject", Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    assert got["Body"] == content
    assert put["ETag"] == got["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
    assert (got["ContentType"], got["Metadata"]) == ("text/plain", {"one": "1"})
    assert got["ContentLength"] == len(content)
    assert got["ServerSideEncryption"] == "AES256"
    assert got["ChecksumType"] == "FULL_OBJECT"
    assert got["ChecksumCRC64NVME"] == put["ChecksumCRC64NVME"]


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=262143-262145", (262143, 262146)),
        ("bytes=1048570-2097200", (1048570, 2097201)),
        ("bytes=-5", (len(LARGE) - 5, len(LARGE))),
        ("bytes=3000000-", (3000000, len(LARGE))),
        ("bytes=5-99999999", (5, len(LARGE))),
    ],
)
async def test_a_range_is_what_was_asked_for(s3: World, asked: str, span: tuple[int, int]) -> None:
    bucket = await s3.bucket()
    await s3.put(bucket, "a", LARGE)
    got = await s3("GetObject", Bucket=bucket, Key="a", Range=asked)
    assert got["Body"] == LARGE[slice(*span)]
    assert got[":status"] == 206
    assert got["ContentRange"] == f"bytes {span[0]}-{span[1] - 1}/{len(LARGE)}"


async def test_ranges_that_cannot_be_met_are_refused_and_others_passed_over(s3: World) -> None:
    bucket = await s3.bucket()
    await s3.put(bucket, "a", b"12345")
    assert await s3.refused("GetObject", Bucket=bucket, Key="a", Range="bytes=5-") == "InvalidRange"
    assert await s3.refused("GetObject", Bucket=bucket, Key="a", Range="bytes=-0") == "InvalidRange"
    for passed in ("bytes=3-1", "lines=0-1", "bytes=0-1,3-4"):
        assert (await s3("GetObject", Bucket=bucket, Key="a", Range=passed))["Body"] == b"12345"


async def test_conditions_decide(s3: World) -> None:
    bucket = await s3.bucket()
    etag = (await s3.put(bucket, "a"))["ETag"]
    assert await s3.refused("GetObject", Bucket=bucket, Key="a", IfMatch='"no"') == "PreconditionFailed"
    assert await s3.refused("GetObject", Bucket=bucket, Key="a", IfNoneMatch=etag) == "NotModified"
    assert await s3.refused("PutObject", b"", Bucket=bucket, Key="a", IfNoneMatch="*") == "PreconditionFailed"
    assert await s3.refused("PutObject", b"", Bucket=bucket, Key="b", IfMatch=etag) == "NoSuchKey"
    assert await s3.refused("PutObject", b"", Bucket=bucket, Key="a", IfNoneMatch='"x"') == "NotImplemented"
    await s3.put(bucket, "a", b"next", IfMatch=etag)
    assert await s3.refused("PutObject", b"", Bucket=bucket, Key="a", IfMatch=etag) == "PreconditionFailed"
    assert (await s3("GetObject", Bucket=bucket, Key="a"))["Body"] == b"next"


async def test_a_body_that_is_not_what_was_promised_is_refused_and_leaves_nothing(s3: World) -> None:
    bucket = await s3.bucket()
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert await s3.refused("PutObject", LARGE, Bucket=bucket, Key="a", ContentMD5=wrong) == "BadDigest"
    assert await s3.refused("PutObject", b"x", Bucket=bucket, Key="a", ContentMD5="short") == "InvalidDigest"
    crc = base64.b64encode(zlib.crc32(b"other").to_bytes(4, "big")).decode()
    assert await s3.refused("PutObject", b"x", Bucket=bucket, Key="a", ChecksumCRC32=crc) == "BadDigest"
    assert await s3.refused("GetObject", Bucket=bucket, Key="a") == "NoSuchKey"


@pytest.mark.parametrize("name", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "XXHASH3"])
async def test_a_checksum_that_was_announced_is_kept(s3: World, name: str) -> None:
    bucket = await s3.bucket()
    put = await s3.put(bucket, "a", b"123456789", headers={"x-amz-trailer": f"x-amz-checksum-{name.lower()}"})
    got = await s3("HeadObject", Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    assert put[f"Checksum{name}"] == got[f"Checksum{name}"]
    await s3.put(bucket, "b", b"123456789", **{f"Checksum{name}": put[f"Checksum{name}"]})


async def test_known_checksums_come_out(s3: World) -> None:
    bucket = await s3.bucket()
    for name, value in (("CRC32", 0xCBF43926), ("CRC32C", 0xE3069283), ("CRC64NVME", 0xAE8B14860A799888)):
        put = await s3.put(bucket, "a", b"123456789", ChecksumAlgorithm=name)
        assert int.from_bytes(base64.b64decode(put[f"Checksum{name}"]), "big") == value


@pytest.mark.parametrize("key", ["../../etc/passwd", "a//b", "/", "é/%2F ", "x" * 1024, "\x01\x7f", ". .", "日本/😀"])
async def test_keys_are_names_not_paths(s3: World, key: str) -> None:
    bucket = await s3.bucket()
    await s3.put(bucket, key, LARGE[:5000])
    assert (await s3("GetObject", Bucket=bucket, Key=key))["Body"] == LARGE[:5000]
    assert [one["Key"] for one in (await s3("ListObjectsV2", Bucket=bucket))["Contents"]] == [key]


async def test_keys_over_1024_bytes_are_refused(s3: World) -> None:
    bucket = await s3.bucket()
    assert await s3.refused("PutObject", b"", Bucket=bucket, Key="é" * 513) == "KeyTooLongError"


async def test_damage_on_disk_is_noticed(s3: World) -> None:
    bucket = await s3.bucket()
    await s3.put(bucket, "a", LARGE)
    (path,) = s3.folder.glob("content/??/*")
    content = bytearray(path.read_bytes())
    content[1_000_000] ^= 1
    path.write_bytes(content)
    assert (await s3("GetObject", Bucket=bucket, Key="a", Range="bytes=0-99"))["Body"] == LARGE[:100]
    with pytest.raises(Broken):
        await s3("GetObject", Bucket=bucket, Key="a")


async def test_bytes_are_encrypted_at_rest(s3: World) -> None:
    bucket = await s3.bucket()
    secret = b"a phrase that must not stand on the disk"
    await s3.put(bucket, "small", secret)
    await s3.put(bucket, "large", secret * 10_000)
    kept = b"".join(path.read_bytes() for path in s3.folder.rglob("*") if path.is_file())
    assert secret not in kept


async def test_replaced_and_deleted_objects_leave_no_file(s3: World) -> None:
    bucket = await s3.bucket()
    for _ in range(2):
        await s3.put(bucket, "a", LARGE)
    await s3("DeleteObject", Bucket=bucket, Key="a")
    await s3("DeleteObject", Bucket=bucket, Key="a")
    await s3.clock.advance(10)
    await wait_until(lambda: not list(s3.folder.glob("content/??/*")), s3.clock)
    assert await s3.refused("GetObject", Bucket=bucket, Key="a") == "NoSuchKey"


async def test_a_reader_is_given_what_it_found_however_long_it_takes(s3: World) -> None:
    bucket = await s3.bucket()
    await s3.put(bucket, "a", LARGE)
    slow = await s3.begin("GetObject", Bucket=bucket, Key="a")
    again = await s3.begin("GetObject", Bucket=bucket, Key="a")
    await s3("DeleteObject", Bucket=bucket, Key="a")
    await s3.clock.advance(60)
    assert b"".join([piece async for piece in slow["Body"]]) == LARGE
    await s3.clock.advance(60)
    assert b"".join([piece async for piece in again["Body"]]) == LARGE
    del slow, again
    await wait_until(lambda: not list(s3.folder.glob("content/??/*")), s3.clock)


async def test_uploads_that_hold_too_much_together_are_told_to_slow_down_and_lose_nothing(
    s3: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "PENDING_BYTES_MAX", 300_000)
    bucket = await s3.bucket()
    await s3.put(bucket, "a", b"x" * 250_000)
    assert await s3.refused("PutObject", b"y" * 350_000, Bucket=bucket, Key="a") == "SlowDown"
    assert (await s3("GetObject", Bucket=bucket, Key="a"))["Body"] == b"x" * 250_000
    await s3.put(bucket, "b", b"y" * 250_000)


async def test_response_headers_can_be_overridden_by_who_signed(s3: World) -> None:
    bucket = await s3.bucket()
    await s3.put(bucket, "a")
    got = await s3(
        "GetObject", Bucket=bucket, Key="a", ResponseContentType="image/png", ResponseCacheControl="no-cache"
    )
    assert (got["ContentType"], got["CacheControl"]) == ("image/png", "no-cache")


async def test_who_may_not_list_does_not_learn_which_keys_there_are(s3: World) -> None:
    bucket = await s3.bucket()
    s3.authorizer.denied.add("s3:ListBucket")
    assert await s3.refused("GetObject", Bucket=bucket, Key="none") == "AccessDenied"
