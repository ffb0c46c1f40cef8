"""What the front door promises to the aws command line, boto3 and anybody with a socket."""

from __future__ import annotations

import datetime
import hashlib
import http.client
import io
import json
import socket
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.clients.aws_clients import Aws


@pytest.fixture(scope="module")
def aws(platform) -> Aws:
    return Aws.of(platform)


def send(aws, method="POST", path="/", body=b"", headers=None):
    place = urlsplit(aws.endpoint)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def signed(aws, service, body, headers, *, at=None, secret=None):
    key = Credentials(aws.environment["AWS_ACCESS_KEY_ID"], secret or aws.environment["AWS_SECRET_ACCESS_KEY"])
    request = AWSRequest("POST", aws.endpoint + "/", data=body, headers=headers)
    signer = SigV4Auth(key, service, "us-east-1")
    if at is None:
        signer.add_auth(request)
    else:
        request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
        signer._modify_request_before_signing(request)
        text = signer.string_to_sign(request, signer.canonical_request(request))
        signer._inject_signature_to_request(request, signer.signature(text, request))
    return dict(request.headers.items())


TARGET = {"X-Amz-Target": "TrentService.ListKeys", "Content-Type": "application/x-amz-json-1.1"}
ONCE = {"total_max_attempts": 1}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
WHO = b"Action=GetCallerIdentity&Version=2011-06-15"


def test_command_line_is_answered(aws):
    told = json.loads(aws.cli("sts", "get-caller-identity").stdout)
    assert told["Account"] == "123456789012"


def test_wrong_secret_is_refused_in_each_family_s_words(aws):
    for service, call, code, status in (
        ("kms", lambda client: client.list_keys(), "InvalidSignatureException", 400),
        ("sts", lambda client: client.get_caller_identity(), "SignatureDoesNotMatch", 403),
        ("s3", lambda client: client.list_buckets(), "SignatureDoesNotMatch", 403),
    ):
        with pytest.raises(ClientError) as raised:
            call(aws.named(aws.environment["AWS_ACCESS_KEY_ID"], "wrong").client(service, retries=ONCE))
        assert raised.value.response["Error"]["Code"] == code
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert raised.value.response["ResponseMetadata"]["RequestId"]


def test_unknown_key_is_refused_in_each_family_s_words(aws):
    for service, call, code in (
        ("kms", lambda client: client.list_keys(), "UnrecognizedClientException"),
        ("sts", lambda client: client.get_caller_identity(), "InvalidClientTokenId"),
        ("s3", lambda client: client.list_buckets(), "InvalidAccessKeyId"),
    ):
        with pytest.raises(ClientError) as raised:
            call(aws.named("AKIAIOSFODNN7EXAMPLE", "x").client(service, retries=ONCE))
        assert raised.value.response["Error"]["Code"] == code


def test_unsigned_requests_are_refused(aws):
    status, body, _ = send(aws, body=b"{}", headers=TARGET)
    assert (status, json.loads(body)["__type"]) == (400, "MissingAuthenticationTokenException")
    status, body, _ = send(aws, body=WHO, headers=FORM)
    assert status == 403 and b"<Code>MissingAuthenticationToken</Code>" in body
    status, body, _ = send(aws, "GET")
    assert status == 403 and b"<Code>AccessDenied</Code>" in body


def test_a_clock_that_is_wrong_by_an_hour_is_told_the_time(aws):
    late = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    status, body, _ = send(aws, body=b"{}", headers=signed(aws, "kms", b"{}", TARGET, at=late))
    assert status == 400
    assert json.loads(body)["message"].startswith("Signature expired: ")


def test_a_body_that_was_changed_after_signing_is_refused(aws):
    status, body, _ = send(aws, body=b'{"Limit":1}', headers=signed(aws, "kms", b"{}", TARGET))
    assert (status, json.loads(body)["__type"]) == (400, "InvalidSignatureException")


def test_a_target_of_another_service_than_was_signed_for_is_refused(aws):
    status, body, _ = send(aws, body=b"{}", headers=signed(aws, "organizations", b"{}", TARGET))
    assert status == 400
    assert "Credential should be scoped to correct service: 'kms'" in json.loads(body)["message"]


@pytest.mark.parametrize("body", [b"[", b"[]", b'{"Limit":"x"}'])
def test_what_is_no_request_is_a_serialization_error(aws, body):
    status, answer, _ = send(aws, body=body, headers=signed(aws, "kms", body, TARGET))
    assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")


def test_operations_there_are_not_are_refused(aws):
    headers = TARGET | {"X-Amz-Target": "TrentService.Nothing"}
    status, body, _ = send(aws, body=b"{}", headers=signed(aws, "kms", b"{}", headers))
    assert (status, json.loads(body)["__type"]) == (400, "UnknownOperationException")
    form = b"Action=Nothing&Version=2011-06-15"
    status, body, _ = send(aws, body=form, headers=signed(aws, "sts", form, FORM))
    assert status == 400 and b"<Code>InvalidAction</Code>" in body


def test_constraints_of_the_model_are_told(aws):
    body = b'{"KeySpec":"NO"}'
    headers = TARGET | {"X-Amz-Target": "TrentService.CreateKey"}
    status, answer, _ = send(aws, body=body, headers=signed(aws, "kms", body, headers))
    told = json.loads(answer)
    assert (status, told["__type"]) == (400, "ValidationException")
    assert told["message"].startswith(
        "1 validation error detected: Value 'NO' at 'keySpec' failed to satisfy constraint: "
        "Member must satisfy enum value set: ["
    )


def test_sigv4a_is_answered_as_what_it_is(aws):
    status, body, _ = send(aws, body=WHO, headers=FORM | {"Authorization": "AWS4-ECDSA-P256-SHA256 Credential=a"})
    assert status == 501 and b"Signature Version 4A" in body


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_uploads_with_trailing_checksums_arrive(aws, algorithm):
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="front-trailers")
    content = b"x" * 100_000 + algorithm.encode()
    s3.put_object(Bucket="front-trailers", Key=algorithm, Body=io.BytesIO(content), ChecksumAlgorithm=algorithm)
    found = s3.get_object(Bucket="front-trailers", Key=algorithm)["Body"].read()
    assert hashlib.sha256(found).digest() == hashlib.sha256(content).digest()


def test_an_upload_that_breaks_off_leaves_nothing(aws):
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="front-broken")
    url = urlsplit(s3.generate_presigned_url("put_object", {"Bucket": "front-broken", "Key": "k"}))
    with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 1000\r\n\r\n"
        connection.sendall(head.encode() + b"only this")
        connection.shutdown(socket.SHUT_WR)
        connection.recv(4096)
    assert s3.list_objects_v2(Bucket="front-broken")["KeyCount"] == 0


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls_are_good_until_they_expire(aws, version):
    s3 = aws.client("s3", signature_version=version)
    aws.client("s3").create_bucket(Bucket="front-presigned")
    aws.client("s3").put_object(Bucket="front-presigned", Key="a b/ü", Body=b"content")
    place = {"Bucket": "front-presigned", "Key": "a b/ü", "ResponseContentType": "a/b"}
    url = urlsplit(s3.generate_presigned_url("get_object", place))
    assert send(aws, "GET", f"{url.path}?{url.query}", headers={"Host": url.netloc})[:2] == (200, b"content")
    url = urlsplit(s3.generate_presigned_url("get_object", place, ExpiresIn=-1 if version == "s3" else 1))
    if version == "s3":
        status, body, _ = send(aws, "GET", f"{url.path}?{url.query}", headers={"Host": url.netloc})
        assert status == 403 and b"Request has expired" in body
    status, body, _ = send(aws, "GET", f"{url.path}x?{url.query}", headers={"Host": url.netloc})
    assert status == 403
