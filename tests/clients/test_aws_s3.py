"""S3 with its real clients: boto3's transfers, the aws command line, browsers' requests."""

from __future__ import annotations

import io
import json
import os
import signal
import urllib.request
import uuid
from pathlib import Path
from urllib.error import HTTPError

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.clients.aws_clients import Aws
from tests.clients.platform import Platform, wait_until

MIB = 1024 * 1024


@pytest.fixture
def aws(platform: Platform) -> Aws:
    return Aws.of(platform)


@pytest.fixture
def bucket(aws: Aws) -> str:
    name = f"test-{uuid.uuid4().hex}"
    aws.client("s3").create_bucket(Bucket=name)
    return name


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_transfers_in_parts_come_back_whole(aws: Aws, bucket: str) -> None:
    s3 = aws.client("s3")
    content = os.urandom(24 * MIB + 3)
    s3.upload_fileobj(io.BytesIO(content), bucket, "large", Config=TransferConfig(multipart_chunksize=5 * MIB))
    received = io.BytesIO()
    s3.download_fileobj(bucket, "large", received)
    assert received.getvalue() == content
    told = s3.get_object_attributes(Bucket=bucket, Key="large", ObjectAttributes=["ObjectParts", "ObjectSize"])
    assert (told["ObjectParts"]["TotalPartsCount"], told["ObjectSize"]) == (5, len(content))


@pytest.mark.parametrize("key", ["../../etc/passwd", "a//b", "/a", "%2F", "é 日本 +?#", "k" * 1024], ids=range(6))
def test_any_key_is_a_name(aws: Aws, bucket: str, key: str) -> None:
    s3 = aws.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]


def test_the_command_line_copies_syncs_and_removes(aws: Aws, bucket: str, tmp_path: Path) -> None:
    for name in ("1", "sub/2"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text(name)
    aws.cli("s3", "sync", str(tmp_path / "out"), f"s3://{bucket}/d")
    aws.cli("s3", "sync", f"s3://{bucket}/d", str(tmp_path / "back"))
    assert (tmp_path / "back" / "sub" / "2").read_text() == "sub/2"
    aws.cli("s3", "rb", f"s3://{bucket}", "--force")
    assert "NoSuchBucket" in aws.cli("s3", "ls", f"s3://{bucket}", check=False).stderr


def test_urls_presigned_by_default_are_opened(aws: Aws, bucket: str) -> None:
    s3 = aws.client("s3")
    s3.put_object(Bucket=bucket, Key="a b?c", Body=b"kept")
    asked = {"Bucket": bucket, "Key": "a b?c", "ResponseContentType": "text/x"}
    with urllib.request.urlopen(s3.generate_presigned_url("get_object", Params=asked)) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"kept", "text/x")
    with urllib.request.urlopen(aws.cli("s3", "presign", f"s3://{bucket}/a b?c").stdout.strip()) as answer:
        assert answer.read() == b"kept"


def test_browsers_post_forms_and_read_sites(aws: Aws, bucket: str) -> None:
    s3 = aws.client("s3")
    post = s3.generate_presigned_post(bucket, "site/${filename}", Conditions=[["content-length-range", 1, 9]])

    def send(content: str) -> int:
        parts = [f'Content-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in post["fields"].items()]
        parts.append(f'Content-Disposition: form-data; name="file"; filename="i.html"\r\n\r\n{content}\r\n')
        form = "".join(f"--B\r\n{part}" for part in parts) + "--B--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        try:
            with urllib.request.urlopen(urllib.request.Request(post["url"], form.encode(), headers)) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code

    assert (send("page"), send("much too long")) == (204, 400)
    s3.delete_public_access_block(Bucket=bucket)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "i.html"}})
    host = {"Host": f"{bucket}.s3-website.us-east-1.amazonaws.com"}
    page = urllib.request.Request(f"{aws.environment['AWS_ENDPOINT_URL']}/site/", headers=host)
    with urllib.request.urlopen(page) as answer:
        assert answer.read() == b"page"


def test_policies_and_keys_decide(aws: Aws, bucket: str) -> None:
    s3, iam, kms = aws.client("s3"), aws.client("iam"), aws.client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    s3.put_object(Bucket=bucket, Key="a/1", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key_id)
    name = f"reader-{bucket}"[:60]
    iam.create_user(UserName=name)
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/a/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    reader = aws.named(made["AccessKeyId"], made["SecretAccessKey"]).client("s3")
    reader.put_object(Bucket=bucket, Key="a/2", Body=b"y")
    for refused in (
        lambda: reader.list_objects_v2(Bucket=bucket),
        lambda: reader.put_object(Bucket=bucket, Key="b", Body=b""),
        lambda: reader.get_object(Bucket=bucket, Key="a/1"),  # the key is not the reader's
    ):
        with pytest.raises(ClientError) as error:
            refused()
        assert code_of(error) == "AccessDenied"
    kms.disable_key(KeyId=key_id)
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="a/1")
    assert code_of(error) == "KMS.DisabledException"


def test_what_was_acknowledged_is_there_after_a_kill(aws: Aws, bucket: str, platform: Platform) -> None:
    s3 = aws.client("s3")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    where = {"Bucket": bucket, "Key": "parts", "UploadId": upload}
    part = s3.upload_part(**where, PartNumber=1, Body=b"p" * 10_000)
    for number in range(20):
        s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"%d" % number * 1000)
    os.kill(platform.workers()["control"], signal.SIGKILL)

    def completed() -> bool:
        try:
            s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
        except ClientError:
            raise
        except Exception:  # it is not up yet
            return False
        return True

    wait_until(completed, "S3 is back")
    assert s3.get_object(Bucket=bucket, Key="parts")["Body"].read() == b"p" * 10_000
    for number in range(20):
        assert s3.get_object(Bucket=bucket, Key=f"k{number}")["Body"].read() == b"%d" % number * 1000


def test_the_example_runs(aws: Aws) -> None:
    assert aws.example("s3_objects.py").splitlines() == [
        "downloaded by link: True",
        "the first version is still: first",
        "after the policy: AccessDenied",
    ]
