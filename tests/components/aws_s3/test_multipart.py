"""Uploads in parts, and copies."""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from typing import Any

import pytest

from tests.components.aws_s3.conftest import World

MIB = 1024 * 1024
FIRST, SECOND = os.urandom(5 * MIB), os.urandom(MIB + 1)


async def begun(s3: World, bucket: str, **parameters: Any) -> dict[str, Any]:
    answer = await s3("CreateMultipartUpload", Bucket=bucket, Key="a", **parameters)
    return {"Bucket": bucket, "Key": "a", "UploadId": answer["UploadId"]}


async def part(s3: World, upload: dict[str, Any], number: int, content: bytes, **more: Any) -> dict[str, Any]:
    answer = await s3("UploadPart", content, **upload, PartNumber=number, **more)
    sums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
    return {"PartNumber": number, "ETag": answer["ETag"], **sums}


async def test_parts_become_one_object(s3: World) -> None:
    bucket = await s3.bucket()
    upload = await begun(s3, bucket, Metadata={"a": "b"})
    parts = [await part(s3, upload, 7, SECOND), await part(s3, upload, 2, FIRST)]
    done = await s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts[::-1]})
    digest = hashlib.md5(hashlib.md5(FIRST).digest() + hashlib.md5(SECOND).digest()).hexdigest()
    assert done["ETag"] == f'"{digest}-2"'
    got = await s3("GetObject", Bucket=bucket, Key="a", Range=f"bytes={5 * MIB - 2}-{5 * MIB + 1}")
    assert got["Body"] == FIRST[-2:] + SECOND[:2]
    assert (await s3("GetObject", Bucket=bucket, Key="a"))["Body"] == FIRST + SECOND
    second = await s3("GetObject", Bucket=bucket, Key="a", PartNumber=2)
    assert (second["Body"], second["PartsCount"], second[":status"]) == (SECOND, 2, 206)
    assert await s3.refused("ListParts", **upload) == "NoSuchUpload"
    assert (await s3("ListMultipartUploads", Bucket=bucket))["Uploads"] == []


async def test_a_completion_that_is_wrong_is_refused_and_the_upload_stays(s3: World) -> None:
    bucket = await s3.bucket()
    upload = await begun(s3, bucket)
    one, two = await part(s3, upload, 1, b"small"), await part(s3, upload, 2, b"small too")

    async def complete(*parts: Any) -> str:
        return await s3.refused("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": list(parts)})

    assert await complete() == "MalformedXML"
    assert await complete(two, one) == "InvalidPartOrder"
    assert await complete(one, {"PartNumber": 3, "ETag": '"x"'}) == "InvalidPart"
    assert await complete({**one, "ETag": two["ETag"]}) == "InvalidPart"
    assert await complete(one, two) == "EntityTooSmall"
    assert len((await s3("ListParts", **upload))["Parts"]) == 2
    await s3("AbortMultipartUpload", **upload)
    assert await s3.refused("AbortMultipartUpload", **upload) == "NoSuchUpload"
    assert await s3.refused("UploadPart", b"", **upload, PartNumber=1) == "NoSuchUpload"


async def test_checksums_of_parts_come_together(s3: World) -> None:
    bucket = await s3.bucket()
    whole = base64.b64encode(zlib.crc32(FIRST + SECOND).to_bytes(4, "big")).decode()
    upload = await begun(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = [await part(s3, upload, 1, FIRST), await part(s3, upload, 2, SECOND)]
    done = await s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts}, ChecksumCRC32=whole)
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (whole, "FULL_OBJECT")

    upload = await begun(s3, bucket, ChecksumAlgorithm="SHA256")
    parts = [await part(s3, upload, 1, FIRST), await part(s3, upload, 2, SECOND)]
    assert await s3.refused("UploadPart", b"", **upload, PartNumber=3, ChecksumAlgorithm="CRC32") == "InvalidRequest"
    done = await s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
    together = hashlib.sha256(hashlib.sha256(FIRST).digest() + hashlib.sha256(SECOND).digest()).digest()
    assert done["ChecksumSHA256"] == f"{base64.b64encode(together).decode()}-2"
    told = await s3("GetObjectAttributes", Bucket=bucket, Key="a", ObjectAttributes=["ObjectParts", "Checksum"])
    assert [one["Size"] for one in told["ObjectParts"]["Parts"]] == [len(FIRST), len(SECOND)]
    assert told["Checksum"]["ChecksumType"] == "COMPOSITE"


async def test_uploads_and_parts_are_listed_in_pages(s3: World) -> None:
    bucket = await s3.bucket()
    ids = [(await begun(s3, bucket))["UploadId"] for _ in range(3)]
    first = await s3("ListMultipartUploads", Bucket=bucket, MaxUploads=2)
    rest = await s3(
        "ListMultipartUploads",
        Bucket=bucket,
        KeyMarker=first["NextKeyMarker"],
        UploadIdMarker=first["NextUploadIdMarker"],
    )
    assert sorted(one["UploadId"] for page in (first, rest) for one in page["Uploads"]) == sorted(ids)
    upload = {"Bucket": bucket, "Key": "a", "UploadId": ids[0]}
    for number in (1, 2, 3):
        await part(s3, upload, number, b"x")
    page = await s3("ListParts", **upload, MaxParts=2)
    assert (page["IsTruncated"], page["NextPartNumberMarker"]) == (True, 2)
    page = await s3("ListParts", **upload, PartNumberMarker=2)
    assert [one["PartNumber"] for one in page["Parts"]] == [3]


async def test_a_copy_has_a_life_of_its_own(s3: World) -> None:
    bucket = await s3.bucket()
    await s3.put(bucket, "a b", FIRST, Metadata={"x": "1"}, Tagging="t=1")
    copied = await s3("CopyObject", Bucket=bucket, Key="c", CopySource=f"{bucket}/a%20b")
    await s3("DeleteObject", Bucket=bucket, Key="a b")
    await s3.clock.advance(20)
    got = await s3("GetObject", Bucket=bucket, Key="c")
    assert got["Body"] == FIRST
    assert (got["Metadata"], got["TagCount"], got["ETag"]) == ({"x": "1"}, 1, copied["CopyObjectResult"]["ETag"])


async def test_copies_onto_themselves_must_change_something(s3: World) -> None:
    bucket = await s3.bucket()
    await s3.put(bucket, "a", Metadata={"x": "1"})
    same = {"Bucket": bucket, "Key": "a", "CopySource": f"/{bucket}/a"}
    assert await s3.refused("CopyObject", **same) == "InvalidRequest"
    await s3("CopyObject", **same, MetadataDirective="REPLACE", Metadata={"y": "2"})
    assert (await s3("HeadObject", Bucket=bucket, Key="a"))["Metadata"] == {"y": "2"}


async def test_copies_ask_conditions_and_sources(s3: World) -> None:
    bucket = await s3.bucket()
    etag = (await s3.put(bucket, "a"))["ETag"]
    copy = {"Bucket": bucket, "Key": "b", "CopySource": f"{bucket}/a"}
    assert await s3.refused("CopyObject", **copy, CopySourceIfNoneMatch=etag) == "PreconditionFailed"
    assert await s3.refused("CopyObject", **{**copy, "CopySource": f"{bucket}/none"}) == "NoSuchKey"
    assert await s3.refused("CopyObject", **{**copy, "CopySource": "none/none"}) == "NoSuchBucket"
    await s3("CopyObject", **copy, CopySourceIfMatch=etag)


async def test_parts_can_be_copied(s3: World) -> None:
    bucket = await s3.bucket()
    await s3.put(bucket, "source", FIRST)
    upload = await begun(s3, bucket)
    copy = {**upload, "CopySource": f"{bucket}/source"}
    one = await s3("UploadPartCopy", **copy, PartNumber=1)
    two = await s3("UploadPartCopy", **copy, PartNumber=2, CopySourceRange="bytes=1-3")
    wrong = {**copy, "PartNumber": 3, "CopySourceRange": f"bytes=0-{len(FIRST)}"}
    assert await s3.refused("UploadPartCopy", **wrong) == "InvalidArgument"
    parts = [{"PartNumber": n, "ETag": p["CopyPartResult"]["ETag"]} for n, p in ((1, one), (2, two))]
    await s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
    assert (await s3("GetObject", Bucket=bucket, Key="a"))["Body"] == FIRST + FIRST[1:4]


@pytest.mark.parametrize("number", [0, 10_001])
async def test_part_numbers_have_bounds(s3: World, number: int) -> None:
    upload = await begun(s3, await s3.bucket())
    assert await s3.refused("UploadPart", b"", **upload, PartNumber=number) == "InvalidArgument"
