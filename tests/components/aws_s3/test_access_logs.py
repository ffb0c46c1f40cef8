"""Server access logs: lines for what was asked, in objects of the target, for whom it lets in."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.components.aws_s3.conftest import World


def status(target: str, **more: Any) -> dict[str, Any]:
    return {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "log/", **more}}


async def keys_in(s3: World, bucket: str) -> list[str]:
    return [one["Key"] for one in (await s3("ListObjectsV2", Bucket=bucket)).get("Contents", [])]


async def logged(s3: World, target: str) -> list[str]:
    """The lines of the first log object."""
    give_up_at = time.monotonic() + 20.0
    await s3.clock.advance(61)
    while not (keys := await keys_in(s3, target)):
        assert time.monotonic() < give_up_at, "no log came"
    return (await s3("GetObject", Bucket=target, Key=keys[0]))["Body"].decode().splitlines()


async def test_requests_to_a_logged_bucket_become_lines_in_its_target(s3: World) -> None:
    source, target = await s3.bucket(), await s3.open_bucket(ACL="log-delivery-write")
    await s3("PutBucketLogging", Bucket=source, BucketLoggingStatus=status(target))
    assert await s3("GetBucketLogging", Bucket=source) == status(target)
    await s3.put(source, "a key", b"12345")
    await s3("GetObject", Bucket=source, Key="a key", Range="bytes=1-3")
    await s3.refused("GetObject", Bucket=source, Key="none")
    lines = await logged(s3, target)
    kinds = [field for line in lines for field in line.split(" ") if field.startswith("REST.")]
    assert kinds == ["REST.GET.LOGGING_STATUS", "REST.PUT.OBJECT", "REST.GET.OBJECT", "REST.GET.OBJECT"]
    assert ' a%20key "GET / HTTP/1.1" 206 - 3 5 ' in lines[-2]
    assert " 404 NoSuchKey " in lines[-1]
    await s3("PutBucketLogging", Bucket=source, BucketLoggingStatus={})
    assert await s3("GetBucketLogging", Bucket=source) == {}


async def test_a_target_that_lets_the_service_in_by_policy_gets_logs_and_no_other(s3: World) -> None:
    source, target = await s3.bucket(), await s3.open_bucket()
    wanted = await s3.refused("PutBucketLogging", Bucket=source, BucketLoggingStatus=status(target))
    assert wanted == "InvalidTargetBucketForLogging"
    west = await s3.bucket(region="us-west-2", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    wanted = await s3.refused("PutBucketLogging", Bucket=source, BucketLoggingStatus=status(west))
    assert wanted == "CrossLocationLoggingProhibited"
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{target}/log/*"}
    await s3("PutBucketPolicy", Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": [denied]}))
    await s3("PutBucketLogging", Bucket=source, BucketLoggingStatus=status(target))
    await s3.put(source, "a")
    await s3.clock.advance(61)
    assert await keys_in(s3, target) == []
