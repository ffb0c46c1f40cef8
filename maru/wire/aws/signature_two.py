"""Signature Version 2 of S3: what `aws s3 presign` and older clients write, an HMAC-SHA1 over a short text.

The query form names an end (seconds since the epoch), the header form a date. x-amz- parameters of a query
count as headers; of the query itself only sub-resources and response overrides are signed.
Source: S3 User Guide, "Signing and authenticating REST requests (AWS Signature Version 2)".
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import unquote

from maru.wire.aws.faults import Fault
from maru.wire.aws.signature import Claim, Signed, parse_stamp

SCHEME = "AWS "
_EXPIRES_MAX = 253_402_300_799  # the year 9999
_SIGNED_PARAMETERS = frozenset(
    [
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "defaultObjectAcl",
        "delete",
        "encryption",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "partNumber",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "select-type",
        "storageClass",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
    ]
)


def is_claimed(query: Mapping[str, str]) -> bool:
    """Whether parameters are those of a presigned URL of this version."""
    return "AWSAccessKeyId" in query or ("Signature" in query and "Expires" in query)


def claim_of_header(value: str, headers: Mapping[str, str]) -> Claim:
    """From `Authorization: AWS key:signature`. Raises Fault."""
    access_key, colon, signature = value.removeprefix(SCHEME).strip().rpartition(":")
    if not colon or not access_key:
        text = "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"
        raise Fault("InvalidArgument", text, members={"ArgumentName": "Authorization", "ArgumentValue": value})
    stamp = headers.get("x-amz-date") or headers.get("date", "")
    token = headers.get("x-amz-security-token", "")
    return Claim(access_key, "", "", "s3", (), signature, stamp, token, is_version_two=True)


def claim_of_query(query: Mapping[str, str]) -> Claim:
    """From the parameters of a presigned URL; `expires_s` is since the epoch. Raises Fault AccessDenied."""
    if not all(query.get(name) for name in ("AWSAccessKeyId", "Signature", "Expires")):
        text = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
        raise Fault("AccessDenied", text, 403)
    expires = query["Expires"]
    if not (expires.isascii() and expires.isdigit() and int(expires) <= _EXPIRES_MAX):
        raise Fault("AccessDenied", f"Invalid date (should be seconds since epoch): {expires}", 403)
    token = query.get("x-amz-security-token", "")
    return Claim(
        query["AWSAccessKeyId"], "", "", "s3", (), query["Signature"], expires, token, True, int(expires),
        is_version_two=True,
    )  # fmt: skip


def moment_of(stamp: str) -> datetime | None:
    """When a request with a header says it was signed; None if that is no date."""
    from email.utils import parsedate_to_datetime

    moment = parse_stamp(stamp)
    if moment is not None:
        return moment
    try:
        parsed = parsedate_to_datetime(stamp)
    except (ValueError, TypeError):
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def string_to_sign(request: Signed, claim: Claim, bucket: str) -> str:
    """What is signed. bucket: of the host name, "" for path style; headers include x-amz- parameters of the query."""
    headers = request.headers
    if claim.is_presigned:
        date = str(claim.expires_s)
    else:
        date = "" if "x-amz-date" in headers else headers.get("date", "")
    lines = [request.method, headers.get("content-md5", ""), headers.get("content-type", ""), date]
    names = sorted(name for name in headers if name.startswith("x-amz-"))
    lines += [f"{name}:{headers[name].strip()}" for name in names]
    return "\n".join(lines) + "\n" + _resource(request, bucket)


def strings_to_sign(request: Signed, claim: Claim, bucket: str) -> tuple[str, ...]:
    """What may have been signed: SDKs send a bucket's own path as /bucket and sign it as /bucket/, as S3 allows."""
    text = string_to_sign(request, claim, bucket)
    if bucket or request.path.count("/") != 1 or request.path == "/":
        return (text,)
    whole = Signed(request.method, request.path + "/", request.query, request.headers)
    return text, string_to_sign(whole, claim, bucket)


def sign(secret: str, text: str) -> str:
    """The signature, in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1")).decode()


def _resource(request: Signed, bucket: str) -> str:
    signed = []
    for part in request.query.split("&"):
        name, equals, value = part.partition("=")
        if unquote(name) in _SIGNED_PARAMETERS:
            text = unquote(value.replace("+", " "), errors="surrogateescape")
            signed.append((unquote(name), f"={text}" if equals and text else ""))
    path = f"/{bucket}{request.path}" if bucket else request.path
    query = "&".join(name + value for name, value in sorted(signed))
    return f"{path}?{query}" if query else path
