"""Codes, texts and statuses that clients and suites know from AWS."""

from __future__ import annotations

import pytest

from maru.core.errors import MaruError
from tests.components.aws_s3.conftest import World
from tests.components.aws_s3.test_multipart import begun, part


async def test_a_location_stands_in_the_root_of_the_answer(s3: World) -> None:
    west = await s3.bucket(CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    told = await s3("GetBucketLocation", Bucket=west)
    assert told[":body"].endswith(b'2006-03-01/">eu-west-1</LocationConstraint>')
    home = await s3("GetBucketLocation", Bucket=await s3.bucket())
    assert home[":body"].endswith(b'2006-03-01/"/>')
    assert (await s3("HeadBucket", Bucket=west))[":headers"] == {"Content-Type": "application/xml"}


async def test_a_completion_that_comes_again_is_answered_as_before(s3: World) -> None:
    bucket = await s3.bucket()
    upload = await begun(s3, bucket)
    parts = {"Parts": [await part(s3, upload, 1, b"only")]}
    done = await s3("CompleteMultipartUpload", **upload, MultipartUpload=parts)
    assert await s3("CompleteMultipartUpload", **upload, MultipartUpload=parts, IfNoneMatch="*") == done
    other = {"Parts": [{"PartNumber": 1, "ETag": '"00"'}]}
    assert await s3.refused("CompleteMultipartUpload", **upload, MultipartUpload=other) == "NoSuchUpload"
    await s3("PutObject", b"later", Bucket=bucket, Key="a")
    assert await s3.refused("CompleteMultipartUpload", **upload, MultipartUpload=parts) == "NoSuchUpload"


async def test_the_source_of_a_copy_must_not_be_archived(s3: World) -> None:
    bucket = await s3.bucket()
    await s3("PutObject", b"cold", Bucket=bucket, Key="cold", StorageClass="GLACIER")
    code = await s3.refused("CopyObject", Bucket=bucket, Key="warm", CopySource=f"{bucket}/cold")
    assert code == "ObjectNotInActiveTierError"


async def test_a_copy_in_place_is_a_change_where_the_bucket_sets_its_encryption(s3: World) -> None:
    bucket = await s3.bucket()
    await s3("PutObject", b"a", Bucket=bucket, Key="k")
    same = {"Bucket": bucket, "Key": "k", "CopySource": f"{bucket}/k"}
    assert await s3.refused("CopyObject", **same) == "InvalidRequest"
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    await s3("PutBucketEncryption", Bucket=bucket, ServerSideEncryptionConfiguration=rules)
    assert (await s3("CopyObject", **same))["ServerSideEncryption"] == "AES256"


async def test_acceleration_is_kept_and_checked(s3: World) -> None:
    bucket = await s3.bucket()
    put, get = "PutBucketAccelerateConfiguration", "GetBucketAccelerateConfiguration"
    await s3(put, Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"})
    assert await s3(get, Bucket=bucket) == {}
    await s3(put, Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})
    await s3(put, Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"})
    assert await s3(get, Bucket=bucket) == {"Status": "Suspended"}
    assert await s3.refused(put, Bucket=bucket, AccelerateConfiguration={"Status": "bad"}) == "MalformedXML"
    await s3("CreateBucket", Bucket="with.dots.in-it")
    dotted = await s3.refused(put, Bucket="with.dots.in-it", AccelerateConfiguration={"Status": "Enabled"})
    assert dotted == "InvalidRequest"


async def test_who_is_notified_must_have_a_good_name_and_be_near(s3: World) -> None:
    bucket = await s3.bucket()

    async def text(arn: str, event: str = "s3:ObjectCreated:*") -> str:
        targets = {"QueueConfigurations": [{"QueueArn": arn, "Events": [event]}]}
        with pytest.raises(MaruError) as caught:
            await s3("PutBucketNotificationConfiguration", Bucket=bucket, NotificationConfiguration=targets)
        return caught.value.what

    assert await text("arn:aws:{}:us-east-1:123456789012:q") == "The ARN is not well formed"
    assert (await text("arn:aws:sqs:us-west-2:123456789012:q")).endswith("not valid for the bucket location constraint")
    unknown = await text("arn:aws:sqs:us-east-1:123456789012:q", "other")
    assert unknown.startswith(
        "The event 'other' is not supported for notifications. Supported events are as follows: ["
    )


async def test_codes_of_what_is_missing_or_too_much(s3: World) -> None:
    bucket = await s3.bucket()
    await s3("PutObject", b"", Bucket=bucket, Key="k")
    assert (await s3("PutBucketTagging", Bucket=bucket, Tagging={"TagSet": []}))[":status"] == 204
    assert await s3.refused("PutObjectLockConfiguration", Bucket=bucket) == "MissingRequestBodyError"
    assert await s3.refused("DeleteObjects", Bucket="no-such-bucket", Delete={"Objects": []}) == "MalformedXML"
    target = {"LoggingEnabled": {"TargetBucket": "no-such-bucket", "TargetPrefix": ""}}
    wanted = await s3.refused("PutBucketLogging", Bucket=bucket, BucketLoggingStatus=target)
    assert wanted == "InvalidTargetBucketForLogging"
    rules = {"Role": "arn:aws:iam::123456789012:role/r", "Rules": []}
    assert await s3.refused("PutBucketReplication", Bucket=bucket, ReplicationConfiguration=rules) == "InvalidRequest"
    many = {"TagSet": [{"Key": str(number), "Value": ""} for number in range(11)]}
    with pytest.raises(MaruError, match="Object tags cannot be greater than 10"):
        await s3("PutObjectTagging", Bucket=bucket, Key="k", Tagging=many)
    with pytest.raises(MaruError, match="Your TagKey cannot be prefixed with aws:"):
        await s3("PutObject", b"", Bucket=bucket, Key="k", Tagging="aws:a=b")
    upload = await begun(s3, bucket)
    with pytest.raises(MaruError, match="part-number-marker must be an integer between 0"):
        await s3("ListParts", **upload, PartNumberMarker=-1)
    with pytest.raises(MaruError, match="Provided max-parts not an integer or within integer range"):
        await s3("ListParts", **upload, MaxParts=2**31)
