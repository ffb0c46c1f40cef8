"""Encryption under keys of the key service and of customers."""

from __future__ import annotations

import base64
import hashlib
import os

from maru.core.errors import Denied, NotFound
from tests.components.aws_s3.conftest import World

KEY = os.urandom(32)


def customer(key: bytes = KEY, prefix: str = "") -> dict[str, str]:
    return {
        f"{prefix}SSECustomerAlgorithm": "AES256",
        f"{prefix}SSECustomerKey": base64.b64encode(key).decode(),
        f"{prefix}SSECustomerKeyMD5": base64.b64encode(hashlib.md5(key).digest()).decode(),
    }


async def test_objects_under_a_kms_key_are_read_through_the_key_service(s3: World) -> None:
    bucket = await s3.bucket()
    put = await s3.put(bucket, "a/b", b"secret", ServerSideEncryption="aws:kms", SSEKMSKeyId="mine")
    assert put["SSEKMSKeyId"].endswith(":key/mine")
    assert put["ETag"] != f'"{hashlib.md5(b"secret").hexdigest()}"'
    assert (await s3("GetObject", Bucket=bucket, Key="a/b"))["Body"] == b"secret"
    assert s3.keys.contexts == [{"aws:s3:arn": f"arn:aws:s3:::{bucket}/a/b"}] * 2
    s3.keys.broken = Denied(
        what="User: x is not authorized to perform: kms:Decrypt", why="", code="AccessDeniedException"
    )
    assert await s3.refused("GetObject", Bucket=bucket, Key="a/b") == "AccessDenied"
    s3.keys.broken = NotFound(what="no key", why="", code="NotFoundException")
    assert (
        await s3.refused("PutObject", b"", Bucket=bucket, Key="c", ServerSideEncryption="aws:kms")
        == "KMS.NotFoundException"
    )
    assert (await s3("HeadObject", Bucket=bucket, Key="a/b"))["ServerSideEncryption"] == "aws:kms"


async def test_a_bucket_encrypts_by_its_default(s3: World) -> None:
    bucket = await s3.bucket()
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "mine"}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]}
    await s3("PutBucketEncryption", Bucket=bucket, ServerSideEncryptionConfiguration=rules)
    put = await s3.put(bucket, "a")
    assert (put["ServerSideEncryption"], put["BucketKeyEnabled"]) == ("aws:kms", True)
    assert s3.keys.contexts == [{"aws:s3:arn": f"arn:aws:s3:::{bucket}"}]
    copied = await s3("CopyObject", Bucket=bucket, Key="b", CopySource=f"{bucket}/a", ServerSideEncryption="AES256")
    assert copied["ServerSideEncryption"] == "AES256"
    assert (await s3("GetObject", Bucket=bucket, Key="b"))["Body"] == b"content"


async def test_a_customers_key_must_come_again(s3: World) -> None:
    bucket = await s3.bucket()
    put = await s3.put(bucket, "a", b"mine", **customer())
    assert put["SSECustomerKeyMD5"] == customer()["SSECustomerKeyMD5"]
    where = {"Bucket": bucket, "Key": "a"}
    assert (await s3("GetObject", **where, **customer()))["Body"] == b"mine"
    assert await s3.refused("GetObject", **where) == "InvalidRequest"
    assert await s3.refused("HeadObject", **where) == "InvalidRequest"
    assert await s3.refused("GetObject", **where, **customer(os.urandom(32))) == "AccessDenied"
    assert await s3.refused("PutObject", b"", **where, **{**customer(), "SSECustomerKeyMD5": "x"}) == "InvalidArgument"
    assert await s3.refused("PutObject", b"", **where, **customer(b"short")) == "InvalidArgument"
    source = customer(prefix="CopySource")
    await s3("CopyObject", Bucket=bucket, Key="b", CopySource=f"{bucket}/a", **source)
    assert (await s3("GetObject", Bucket=bucket, Key="b"))["Body"] == b"mine"
    assert await s3.refused("GetObject", Bucket=bucket, Key="b", **customer()) == "InvalidRequest"


async def test_parts_come_with_the_customers_key(s3: World) -> None:
    bucket = await s3.bucket()
    begun = await s3("CreateMultipartUpload", Bucket=bucket, Key="a", **customer())
    upload = {"Bucket": bucket, "Key": "a", "UploadId": begun["UploadId"]}
    assert await s3.refused("UploadPart", b"x", **upload, PartNumber=1) == "InvalidRequest"
    part = await s3("UploadPart", b"x", **upload, PartNumber=1, **customer())
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    await s3("CompleteMultipartUpload", **upload, MultipartUpload=parts)
    assert (await s3("GetObject", Bucket=bucket, Key="a", **customer()))["Body"] == b"x"
