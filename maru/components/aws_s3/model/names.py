"""Names: of buckets, keys, regions and ARNs.

Source: Amazon S3 User Guide, "Bucket naming rules" and "Naming Amazon S3 objects"; AWS General Reference.
"""

from __future__ import annotations

import hashlib
import re

from maru.components.aws_s3.errors import refusal

KEY_BYTES_MAX = 1024
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_REGIONS = (
    "af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 "
    "ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 "
    "ca-central-1 ca-west-1 cn-north-1 cn-northwest-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 "
    "eu-west-1 eu-west-2 eu-west-3 il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-2 "
    "us-gov-east-1 us-gov-west-1 us-west-1 us-west-2 EU"
)
REGIONS = frozenset(_REGIONS.split())
"""What a LocationConstraint may be; us-east-1 has none."""
HOME = "us-east-1"


def check_bucket_name(name: str) -> None:
    """Raises InvalidBucketName."""
    is_good = (
        3 <= len(name) <= 63
        and _BUCKET.fullmatch(name)
        and not _ADDRESS.fullmatch(name)
        and not name.startswith(_PREFIXES)
        and not name.endswith(_SUFFIXES)
    )
    if not is_good:
        raise refusal("InvalidBucketName", BucketName=name)


def check_key(key: str) -> None:
    """Raises KeyTooLongError or InvalidURI (bytes that are no UTF-8 come as lone surrogates)."""
    try:
        size_bytes = len(key.encode())
    except UnicodeEncodeError as error:
        raise refusal("InvalidURI") from error
    if size_bytes > KEY_BYTES_MAX:
        raise refusal("KeyTooLongError", Size=size_bytes, MaxSizeAllowed=KEY_BYTES_MAX)


def region_for(asked: str | None, endpoint: str) -> str:
    """The region of a new bucket: `asked` its LocationConstraint, `endpoint` the region the request was sent to."""
    if asked == "EU":
        asked = "eu-west-1"
    if endpoint == HOME:
        if not asked:
            return HOME
        if asked not in REGIONS:
            raise refusal("InvalidLocationConstraint", LocationConstraint=asked)
        return asked
    if not asked:
        raise refusal("IllegalLocationConstraintException")
    if asked != endpoint:
        if asked not in REGIONS and asked != HOME:
            raise refusal("InvalidLocationConstraint", LocationConstraint=asked)
        text = f"The {asked} location constraint is incompatible for the region specific endpoint this request was "
        text += "sent to."
        raise refusal("IllegalLocationConstraintException", text)
    return asked


def arn_of(bucket: str, key: str | None = None) -> str:
    """The ARN of a bucket, or of an object in it."""
    return f"arn:aws:s3:::{bucket}" if key is None else f"arn:aws:s3:::{bucket}/{key}"


def canonical_id(account: str) -> str:
    """The canonical user id of an account: 64 hexadecimal digits, always the same."""
    return hashlib.sha256(f"canonical user of {account}".encode()).hexdigest()


def after_prefix(prefix: str) -> str:
    """The first string, in byte order, behind all that begin with `prefix`; "" if there is none."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            following = 0xE000 if last == 0xD7FF else last + 1
            return prefix[:-1] + chr(following)
        prefix = prefix[:-1]
    return ""
