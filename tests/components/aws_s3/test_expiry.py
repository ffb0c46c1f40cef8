"""Lifecycle: what expires goes, what is held or younger stays."""

from __future__ import annotations

import time
from typing import Any

from tests.components.aws_s3.conftest import World
from tests.components.aws_s3.waiting import wait_until

DAY_S = 86_400


async def ruled(s3: World, bucket: str, **rule: Any) -> None:
    rules = {"Rules": [{"ID": "r", "Status": "Enabled", "Prefix": "", **rule}]}
    await s3("PutBucketLifecycleConfiguration", Bucket=bucket, LifecycleConfiguration=rules)


async def keys(s3: World, bucket: str) -> list[str]:
    return [one["Key"] for one in (await s3("ListObjectsV2", Bucket=bucket))["Contents"]]


async def days_pass(s3: World, bucket: str, days: int, wanted: int) -> None:
    """Until the bucket has `wanted` versions, markers among them."""
    await s3.clock.advance(days * DAY_S)
    give_up_at = time.monotonic() + 20
    while time.monotonic() < give_up_at:
        listed = await s3("ListObjectVersions", Bucket=bucket)
        if len(listed["Versions"]) + len(listed["DeleteMarkers"]) == wanted:
            return
        await s3.clock.advance(3600)
    raise AssertionError(f"there are not {wanted}: {listed}")


async def test_an_object_expires_at_the_midnight_after_its_days(s3: World) -> None:
    bucket = await s3.bucket()
    await ruled(s3, bucket, Prefix="logs/", Expiration={"Days": 2})
    put = await s3.put(bucket, "logs/a")
    assert 'rule-id="r"' in put["Expiration"]
    await s3.put(bucket, "kept")
    await s3.clock.advance(DAY_S)
    assert len(await keys(s3, bucket)) == 2
    await days_pass(s3, bucket, 2, 1)
    assert await keys(s3, bucket) == ["kept"]


async def test_noncurrent_versions_expire_and_lonely_markers_go(s3: World) -> None:
    bucket = await s3.bucket()
    await s3("PutBucketVersioning", Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    await ruled(
        s3, bucket, NoncurrentVersionExpiration={"NoncurrentDays": 1}, Expiration={"ExpiredObjectDeleteMarker": True}
    )
    await s3.put(bucket, "a")
    await s3.put(bucket, "a")
    await s3("DeleteObject", Bucket=bucket, Key="a")
    await s3.put(bucket, "b")
    await days_pass(s3, bucket, 2, 1)
    assert await keys(s3, bucket) == ["b"]


async def test_a_locked_version_does_not_expire(s3: World) -> None:
    bucket = await s3.bucket(ObjectLockEnabledForBucket=True)
    await ruled(s3, bucket, Expiration={"Days": 1}, NoncurrentVersionExpiration={"NoncurrentDays": 1})
    await s3.put(bucket, "a", ObjectLockLegalHoldStatus="ON")
    await days_pass(s3, bucket, 5, 2)
    assert len((await s3("ListObjectVersions", Bucket=bucket))["Versions"]) == 1


async def test_uploads_nobody_goes_on_with_are_aborted(s3: World) -> None:
    bucket = await s3.bucket()
    await ruled(s3, bucket, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1})
    upload = await s3("CreateMultipartUpload", Bucket=bucket, Key="a")
    await s3("UploadPart", b"x" * 5000, Bucket=bucket, Key="a", UploadId=upload["UploadId"], PartNumber=1)
    await s3.clock.advance(3 * DAY_S)
    give_up_at = time.monotonic() + 20
    while time.monotonic() < give_up_at:
        if not (await s3("ListMultipartUploads", Bucket=bucket))["Uploads"]:
            break
        await s3.clock.advance(3600)
    await s3.clock.advance(60)
    await wait_until(lambda: not list(s3.folder.glob("content/??/*")), s3.clock)


async def test_a_transition_archives_and_a_restore_lets_read(s3: World) -> None:
    bucket = await s3.bucket()
    await ruled(s3, bucket, Transitions=[{"Days": 1, "StorageClass": "GLACIER"}])
    await s3.put(bucket, "small")
    await s3.put(bucket, "large", b"x" * 200_000)
    await s3.clock.advance(3 * DAY_S)
    give_up_at = time.monotonic() + 20
    while time.monotonic() < give_up_at:
        told = await s3("HeadObject", Bucket=bucket, Key="large")
        if told.get("StorageClass") == "GLACIER":
            break
        await s3.clock.advance(3600)
    classes = [one["StorageClass"] for one in (await s3("ListObjectsV2", Bucket=bucket))["Contents"]]
    assert classes == ["GLACIER", "STANDARD"]
    where = {"Bucket": bucket, "Key": "large"}
    assert await s3.refused("GetObject", **where) == "InvalidObjectState"
    assert (
        await s3.refused("RestoreObject", Bucket=bucket, Key="small", RestoreRequest={"Days": 1})
        == "InvalidObjectState"
    )
    assert (await s3("RestoreObject", **where, RestoreRequest={"Days": 1}))[":status"] == 202
    assert (await s3("RestoreObject", **where, RestoreRequest={"Days": 2}))[":status"] == 200
    got = await s3("GetObject", **where)
    assert got["Body"] == b"x" * 200_000
    assert got["Restore"].startswith('ongoing-request="false", expiry-date=')
    await s3.clock.advance(4 * DAY_S)
    assert await s3.refused("GetObject", **where) == "InvalidObjectState"
