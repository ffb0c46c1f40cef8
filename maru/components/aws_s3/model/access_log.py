"""Server access logs: a line for each request, the key a log object gets, who may write it.

Source: Amazon S3 User Guide, "Amazon S3 server access log format", "Enabling Amazon S3 server access logging".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model import acl
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.names import canonical_id
from maru.core.document import Value

SETTING = "BucketLoggingStatus"
SERVICE = "logging.s3.amazonaws.com"
_PERMISSIONS = ("FULL_CONTROL", "READ", "WRITE")
_RESOURCES: Mapping[str, str] = {
    "DeleteObjects": "MULTI_OBJECT_DELETE",
    "CreateMultipartUpload": "UPLOADS",
    "ListMultipartUploads": "UPLOADS",
    "CompleteMultipartUpload": "UPLOAD",
    "AbortMultipartUpload": "UPLOAD",
    "ListParts": "UPLOAD",
    "UploadPart": "PART",
    "UploadPartCopy": "PART",
    "ListObjectVersions": "BUCKETVERSIONS",
    "GetBucketLocation": "LOCATION",
    "GetBucketAcl": "ACL",
    "PutBucketAcl": "ACL",
    "GetObjectAcl": "ACL",
    "PutObjectAcl": "ACL",
    "GetBucketPolicy": "BUCKETPOLICY",
    "PutBucketPolicy": "BUCKETPOLICY",
    "DeleteBucketPolicy": "BUCKETPOLICY",
    "GetBucketVersioning": "VERSIONING",
    "PutBucketVersioning": "VERSIONING",
    "GetBucketLogging": "LOGGING_STATUS",
    "PutBucketLogging": "LOGGING_STATUS",
    "GetObjectTagging": "OBJECT_TAGGING",
    "PutObjectTagging": "OBJECT_TAGGING",
    "DeleteObjectTagging": "OBJECT_TAGGING",
    "GetBucketTagging": "TAGGING",
    "PutBucketTagging": "TAGGING",
    "DeleteBucketTagging": "TAGGING",
    "SelectObjectContent": "OBJECT",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What a line tells of one. sizes: bytes sent and of the object, -1 for none; took_ms: till the answer."""

    operation: str
    method: str
    target: str
    key: str
    requester: str
    source_ip: str
    request_id: str
    host: str
    headers: Mapping[str, str]
    status: int
    code: str
    sizes: tuple[int, int]
    took_ms: int
    version_id: str


def checked(status: Value) -> Value | None:
    """What is kept of a BucketLoggingStatus, None where logging goes off. Raises MalformedXML."""
    wanted = status.get("LoggingEnabled")
    if not wanted:
        return None
    if not wanted.get("TargetBucket") or wanted.get("TargetPrefix") is None:
        raise refusal("MalformedXML")
    for grant in wanted.get("TargetGrants") or []:
        if grant.get("Permission") not in _PERMISSIONS or not grant.get("Grantee"):
            raise refusal("MalformedXML")
    form = wanted.get("TargetObjectKeyFormat") or {}
    if form.get("PartitionedPrefix") is not None and form.get("SimplePrefix") is not None:
        raise refusal("MalformedXML")
    return status


def check_target(target: Bucket, source: Bucket, wanted: Value) -> None:
    """Raises InvalidTargetBucketForLogging, CrossLocationLoggingProhibited, InvalidArgument."""
    if target.account != source.account:
        text = "The owner for the bucket to be logged and the target bucket must be the same."
        raise refusal("InvalidTargetBucketForLogging", text, TargetBucket=target.name)
    if target.spec.region != source.spec.region:
        raise refusal("CrossLocationLoggingProhibited", TargetBucketLocation=target.spec.region)
    if not target.has_acls and wanted.get("TargetGrants"):
        text = "Bucket logging configuration with target grants is not supported for buckets that have ACLs disabled."
        raise refusal("InvalidArgument", text)
    if target.has_acls and target.spec.policy is None and not is_granted(target):
        text = "You must give the log-delivery group WRITE and READ_ACP permissions to the target bucket"
        raise refusal("InvalidTargetBucketForLogging", text, TargetBucket=target.name)


def is_granted(target: Bucket) -> bool:
    """Whether the target's ACL lets the log delivery group write."""
    held = {grant["permission"] for grant in target.spec.grants or [] if grant.get("uri") == acl.LOG_DELIVERY}
    return target.has_acls and ("FULL_CONTROL" in held or {"WRITE", "READ_ACP"} <= held)


def key_of(source: Bucket, wanted: Value, at: datetime, unique: str) -> str:
    """The key of a log object. unique: 16 hexadecimal digits."""
    prefix = str(wanted.get("TargetPrefix") or "")
    form = (wanted.get("TargetObjectKeyFormat") or {}).get("PartitionedPrefix")
    if form is not None:
        day = f"{at:%Y/%m/%d}"
        prefix += f"{source.account}/{source.spec.region}/{source.name}/{day}/"
    return f"{prefix}{at:%Y-%m-%d-%H-%M-%S}-{unique.upper()}"


def line(bucket: Bucket, at: datetime, request: Request) -> str:
    """One line, its end included."""
    sent, size = ("-" if number < 0 else str(number) for number in request.sizes)
    headers = request.headers
    signed = (
        "QueryString" if "X-Amz-Signature=" in request.target else "AuthHeader" if "authorization" in headers else "-"
    )
    fields = (
        canonical_id(bucket.account),
        bucket.name,
        f"[{at:%d/%b/%Y:%H:%M:%S} +0000]",
        request.source_ip,
        request.requester or "-",
        request.request_id,
        f"REST.{request.method}.{_resource(request)}",
        quote(request.key, safe="/~!*'()") or "-",
        _quoted(f"{request.method} {request.target} HTTP/1.1"),
        str(request.status),
        request.code or "-",
        sent,
        size,
        str(request.took_ms),
        "-",
        _quoted(headers.get("referer", "")),
        _quoted(headers.get("user-agent", "")),
        request.version_id or "-",
        "-",
        "-" if signed == "-" else "SigV4",
        "-",
        signed,
        request.host or "-",
        "-",
        "-",
        "-",
    )
    return " ".join(fields) + "\n"


def _resource(request: Request) -> str:
    return _RESOURCES.get(request.operation) or ("OBJECT" if request.key else "BUCKET")


def _quoted(text: str) -> str:
    safe = "".join(letter if letter.isprintable() else "?" for letter in text).replace('"', "%22")
    return f'"{safe or "-"}"'
