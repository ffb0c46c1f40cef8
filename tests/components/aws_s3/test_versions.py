"""Versions, delete markers, and lists of them and of objects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.components.aws_s3.conftest import World


async def versioned(s3: World, status: str = "Enabled") -> str:
    bucket = await s3.bucket()
    await s3("PutBucketVersioning", Bucket=bucket, VersioningConfiguration={"Status": status})
    return bucket


async def test_every_version_stays_until_it_is_named(s3: World) -> None:
    bucket = await versioned(s3)
    one, two = [(await s3.put(bucket, "a", content))["VersionId"] for content in (b"1", b"2")]
    marker = await s3("DeleteObject", Bucket=bucket, Key="a")
    assert marker["DeleteMarker"] is True
    assert await s3.refused("GetObject", Bucket=bucket, Key="a") == "NoSuchKey"
    assert await s3.refused("GetObject", Bucket=bucket, Key="a", VersionId=marker["VersionId"]) == "MethodNotAllowed"
    assert (await s3("GetObject", Bucket=bucket, Key="a", VersionId=one))["Body"] == b"1"
    undone = await s3("DeleteObject", Bucket=bucket, Key="a", VersionId=marker["VersionId"])
    assert undone == {"DeleteMarker": True, "VersionId": marker["VersionId"]}
    assert (await s3("GetObject", Bucket=bucket, Key="a"))["Body"] == b"2"
    await s3("DeleteObject", Bucket=bucket, Key="a", VersionId=two)
    assert (await s3("GetObject", Bucket=bucket, Key="a"))["VersionId"] == one
    assert await s3.refused("GetObject", Bucket=bucket, Key="a", VersionId=two) == "NoSuchVersion"
    assert await s3.refused("GetObject", Bucket=bucket, Key="a", VersionId="nonsense") == "InvalidArgument"


async def test_the_null_version_is_the_one_that_is_replaced(s3: World) -> None:
    bucket = await s3.bucket()
    await s3.put(bucket, "a", b"before")
    await s3("PutBucketVersioning", Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    kept = (await s3.put(bucket, "a", b"kept"))["VersionId"]
    assert (await s3("GetObject", Bucket=bucket, Key="a", VersionId="null"))["Body"] == b"before"
    await s3("PutBucketVersioning", Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert (await s3.put(bucket, "a", b"after"))["VersionId"] == "null"
    assert (await s3("GetObject", Bucket=bucket, Key="a", VersionId="null"))["Body"] == b"after"
    assert (await s3("DeleteObject", Bucket=bucket, Key="a")) == {"DeleteMarker": True, "VersionId": "null"}
    listed = await s3("ListObjectVersions", Bucket=bucket)
    assert [(one["VersionId"], one["IsLatest"]) for one in listed["Versions"]] == [(kept, False)]
    assert [(one["VersionId"], one["IsLatest"]) for one in listed["DeleteMarkers"]] == [("null", True)]


async def test_versions_are_listed_in_pages_newest_first(s3: World) -> None:
    bucket = await versioned(s3)
    ids = [(key, (await s3.put(bucket, key))["VersionId"]) for key in ("b", "a", "a", "a/1", "b")]
    wanted = [ids[2], ids[1], ids[3], ids[4], ids[0]]
    seen: list[tuple[str, str]] = []
    marker: dict[str, Any] = {}
    while True:
        page = await s3("ListObjectVersions", Bucket=bucket, MaxKeys=2, **marker)
        seen += [(one["Key"], one["VersionId"]) for one in page["Versions"]]
        if not page["IsTruncated"]:
            break
        marker = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    assert seen == wanted
    rolled = await s3("ListObjectVersions", Bucket=bucket, Delimiter="/")
    assert [one["Prefix"] for one in rolled["CommonPrefixes"]] == ["a/"]
    assert len(rolled["Versions"]) == 4


async def test_several_are_deleted_each_for_itself(s3: World) -> None:
    bucket = await versioned(s3)
    version = (await s3.put(bucket, "a"))["VersionId"]
    entries = [{"Key": "a", "VersionId": version}, {"Key": "none"}, {"Key": "x" * 1025}]
    answer = await s3("DeleteObjects", Bucket=bucket, Delete={"Objects": entries})
    assert [one["Key"] for one in answer["Deleted"]] == ["a", "none"]
    assert answer["Deleted"][1]["DeleteMarker"] is True
    assert answer["Errors"][0]["Code"] == "KeyTooLongError"
    quiet = await s3("DeleteObjects", Bucket=bucket, Delete={"Objects": entries[:1], "Quiet": True})
    assert quiet == {"Deleted": [], "Errors": []}
    assert await s3.refused("DeleteObjects", Bucket=bucket, Delete={"Objects": []}) == "MalformedXML"


KEYS = ["a", "b/1", "b/2", "b/c/3", "b0", "c/", "é", "😀", "\uffff"]


@pytest.fixture
async def filled(s3: World) -> str:
    bucket = await s3.bucket()
    for key in KEYS:
        await s3.put(bucket, key)
    return bucket


async def test_keys_come_in_the_order_of_their_bytes(s3: World, filled: str) -> None:
    listed = [one["Key"] for one in (await s3("ListObjectsV2", Bucket=filled))["Contents"]]
    assert listed == sorted(KEYS, key=str.encode)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("prefix", ["", "b", "b/"])
async def test_pages_of_both_operations_show_all_once(s3: World, filled: str, size: int, prefix: str) -> None:
    def entries(page: dict[str, Any]) -> list[str]:
        return [one["Key"] for one in page["Contents"]] + [one["Prefix"] for one in page["CommonPrefixes"]]

    asked = {"Bucket": filled, "Delimiter": "/", "Prefix": prefix, "MaxKeys": size}
    wanted = sorted(
        {key[: key.find("/", len(prefix)) + 1] or key for key in KEYS if key.startswith(prefix)}, key=str.encode
    )
    seen: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = await s3("ListObjectsV2", **asked, **token)
        assert page["KeyCount"] == len(entries(page)) <= size
        seen += entries(page)
        if not page["IsTruncated"]:
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    assert sorted(seen, key=str.encode) == wanted
    seen, marker = [], {}
    while True:
        page = await s3("ListObjects", **asked, **marker)
        seen += entries(page)
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["NextMarker"]}
    assert sorted(seen, key=str.encode) == wanted


async def test_lists_start_behind_what_they_are_told(s3: World, filled: str) -> None:
    after = await s3("ListObjectsV2", Bucket=filled, StartAfter="b/2", MaxKeys=2)
    assert [one["Key"] for one in after["Contents"]] == ["b/c/3", "b0"]
    assert "Owner" not in after["Contents"][0]
    owned = await s3("ListObjectsV2", Bucket=filled, FetchOwner=True, EncodingType="url", Prefix="é")
    assert (owned["Contents"][0]["Key"], owned["Prefix"]) == ("%C3%A9", "%C3%A9")
    assert len(owned["Contents"][0]["Owner"]["ID"]) == 64
    assert (await s3("ListObjectsV2", Bucket=filled, MaxKeys=0))["Contents"] == []
    assert await s3.refused("ListObjectsV2", Bucket=filled, ContinuationToken="x") == "InvalidArgument"
    assert await s3.refused("ListObjectsV2", Bucket=filled, MaxKeys=-1) == "InvalidArgument"
