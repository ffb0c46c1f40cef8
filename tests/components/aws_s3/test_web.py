"""What browsers ask: preflights, websites, forms."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from tests.components.aws_s3.conftest import World

RULE = {
    "AllowedMethods": ["PUT", "GET"],
    "AllowedOrigins": ["http://*.example.com"],
    "AllowedHeaders": ["x-amz-*"],
    "ExposeHeaders": ["ETag"],
    "MaxAgeSeconds": 60,
}
ORIGIN = {"origin": "http://a.example.com"}


async def shared(s3: World) -> str:
    bucket = await s3.bucket()
    await s3("PutBucketCors", Bucket=bucket, CORSConfiguration={"CORSRules": [RULE]})
    return bucket


async def test_a_preflight_is_answered_by_the_rule_that_fits(s3: World) -> None:
    bucket = await shared(s3)
    asked = {**ORIGIN, "access-control-request-method": "PUT", "access-control-request-headers": "X-Amz-Date"}
    answer = await s3.anonymous("Options", Bucket=bucket, Key="a", headers=asked)
    headers = answer[":headers"]
    assert answer[":status"] == 200
    assert headers["Access-Control-Allow-Origin"] == "http://a.example.com"
    assert headers["Access-Control-Allow-Headers"] == "x-amz-date"
    assert headers["Access-Control-Max-Age"] == "60"
    wrong = {**asked, "access-control-request-method": "DELETE"}
    assert await s3.anonymous.refused("Options", Bucket=bucket, Key="a", headers=wrong) == "AccessForbidden"
    wrong = {**asked, "access-control-request-headers": "content-type"}
    assert await s3.anonymous.refused("Options", Bucket=bucket, Key="a", headers=wrong) == "AccessForbidden"
    assert await s3.anonymous.refused("Options", Bucket=bucket, headers=ORIGIN) == "BadRequest"


async def test_answers_to_other_origins_bear_headers(s3: World) -> None:
    bucket = await shared(s3)
    await s3.put(bucket, "a")
    got = await s3("GetObject", Bucket=bucket, Key="a", headers=ORIGIN)
    assert got[":headers"]["Access-Control-Expose-Headers"] == "ETag"
    got = await s3("GetObject", Bucket=bucket, Key="a", headers={"origin": "http://elsewhere"})
    assert ":headers" not in got


async def site(s3: World, **setting: Any) -> str:
    bucket = await s3.open_bucket()
    setting = setting or {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "sorry.html"}}
    await s3("PutBucketWebsite", Bucket=bucket, WebsiteConfiguration=setting)
    statement = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"]}
    statement["Resource"] = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    await s3("PutBucketPolicy", Bucket=bucket, Policy=policy)
    return bucket


async def test_a_site_has_index_error_and_redirects(s3: World) -> None:
    bucket = await site(s3)
    await s3.put(bucket, "docs/index.html", b"index", ContentType="text/html")
    await s3.put(bucket, "sorry.html", b"sorry", ContentType="text/html")
    await s3.put(bucket, "moved", b"", WebsiteRedirectLocation="/docs/")
    web = s3.anonymous
    page = await web("GetWebsite", Bucket=bucket, Key="docs/")
    assert (page[":status"], page[":body"], page[":headers"]["Content-Type"]) == (200, b"index", "text/html")
    page = await web("GetWebsite", Bucket=bucket, Key="docs")
    assert (page[":status"], page[":headers"]["Location"]) == (302, "/docs/")
    page = await web("GetWebsite", Bucket=bucket, Key="moved")
    assert (page[":status"], page[":headers"]["Location"]) == (301, "/docs/")
    page = await web("GetWebsite", Bucket=bucket, Key="none")
    assert (page[":status"], page[":body"]) == (404, b"sorry")
    page = await web("HeadWebsite", Bucket=bucket, Key="docs/")
    assert (page[":body"], page[":headers"]["Content-Length"]) == (b"", "5")
    page = await web("GetWebsite", Bucket="no-such-bucket", Key="")
    assert b"<li>Code: NoSuchBucket</li>" in page[":body"]


async def test_routing_rules_redirect(s3: World) -> None:
    rules = [
        {
            "Condition": {"KeyPrefixEquals": "old/"},
            "Redirect": {"ReplaceKeyPrefixWith": "new/", "HttpRedirectCode": "302"},
        },
        {
            "Condition": {"HttpErrorCodeReturnedEquals": "404"},
            "Redirect": {"HostName": "example.com", "Protocol": "https"},
        },
    ]
    bucket = await site(s3, IndexDocument={"Suffix": "i"}, RoutingRules=rules)
    page = await s3.anonymous("GetWebsite", Bucket=bucket, Key="old/a b")
    assert (page[":status"], page[":headers"]["Location"]) == (302, "/new/a%20b")
    page = await s3.anonymous("GetWebsite", Bucket=bucket, Key="none")
    assert page[":headers"]["Location"] == "https://example.com/none"


def form_of(fields: dict[str, str], content: bytes, boundary: str = "XX") -> bytes:
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n\r\n'
    return "".join([*parts, head]).encode() + content + f"\r\n--{boundary}--\r\n".encode()


def signed(s3: World, fields: dict[str, str], *conditions: Any, minutes: int = 5) -> dict[str, str]:
    until = (s3.clock.now() + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    date = s3.clock.now().strftime("%Y%m%dT%H%M%SZ")
    scope = [date[:8], "us-east-1", "s3", "aws4_request"]
    fields = {**fields, "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": "/".join(["AKIAEXAMPLE", *scope])}
    fields["x-amz-date"] = date
    named = [{name: value} for name, value in fields.items() if name.startswith("x-amz-")]
    policy = {"expiration": until, "conditions": [*conditions, *named]}
    text = base64.b64encode(json.dumps(policy).encode()).decode()
    key = b"AWS4secret"
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    return {**fields, "policy": text, "x-amz-signature": hmac.digest(key, text.encode(), "sha256").hex()}


TYPE = {"content-type": "multipart/form-data; boundary=XX"}


async def test_a_form_puts_an_object_as_its_policy_allows(s3: World) -> None:
    bucket = await s3.bucket()
    content = b"\r--XX is not the end\r\n--X\r\n\r\n-" * 20_000
    fields = {"key": "up/${filename}", "Content-Type": "text/plain", "success_action_status": "201"}
    conditions = (["starts-with", "$key", "up/"], {"Content-Type": "text/plain"}, {"success_action_status": "201"})
    form = form_of(signed(s3, fields, *conditions, {"bucket": bucket}), content)
    answer = await s3.anonymous("PostObject", form, Bucket=bucket, headers=TYPE)
    assert answer[":status"] == 201
    assert b"<Key>up/f.txt</Key>" in answer[":body"]
    got = await s3("GetObject", Bucket=bucket, Key="up/f.txt")
    assert (got["Body"], got["ContentType"]) == (content, "text/plain")


async def test_a_form_outside_its_policy_is_refused(s3: World) -> None:
    bucket = await s3.bucket()
    fields = {"key": "a"}

    async def refused(fields: dict[str, str], content: bytes = b"12345") -> str:
        return await s3.anonymous.refused("PostObject", form_of(fields, content), Bucket=bucket, headers=TYPE)

    match = ["eq", "$key", "a"]
    assert await refused(signed(s3, fields, ["eq", "$key", "b"])) == "AccessDenied"
    assert await refused(signed(s3, {**fields, "acl": "private"}, match)) == "AccessDenied"
    assert await refused(signed(s3, fields, match, minutes=-1)) == "AccessDenied"
    assert await refused(signed(s3, fields, match, ["content-length-range", 0, 4])) == "EntityTooLarge"
    assert await refused(signed(s3, fields, match, ["content-length-range", 6, 9])) == "EntityTooSmall"
    assert await refused({**signed(s3, fields, match), "x-amz-signature": "0" * 64}) == "SignatureDoesNotMatch"
    assert await refused({"policy": ""}) == "InvalidArgument"
    assert await refused(fields) == "AccessDenied"
    assert (await s3("ListObjectsV2", Bucket=bucket))["Contents"] == []


@pytest.mark.parametrize("form", [b"", b"--YY\r\n", b"--XX\r\nno header\r\n\r\n", form_of({"key": "a"}, b"x")[:-9]])
async def test_a_form_that_is_none_is_refused(s3: World, form: bytes) -> None:
    bucket = await s3.open_bucket()
    await s3("PutBucketAcl", Bucket=bucket, ACL="public-read-write")
    assert await s3.anonymous.refused("PostObject", form, Bucket=bucket, headers=TYPE) == "MalformedPOSTRequest"
