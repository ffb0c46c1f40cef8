"""GetObject, HeadObject and GetObjectAttributes: a version, its headers, the part of it that is wanted.

Source: Amazon S3 API reference, GetObject, HeadObject, GetObjectAttributes.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_s3.api.reach import Reach, Subject
from maru.components.aws_s3.api.sealing import Sealing, told
from maru.components.aws_s3.engine.depot import Found
from maru.components.aws_s3.errors import bad_argument, refusal
from maru.components.aws_s3.model import archives, lifecycle
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.conditions import check_read, span_of
from maru.components.aws_s3.model.entry import Version
from maru.contracts.aws_service import HEADERS, STATUS, AwsCall, AwsOperation, Members

_OVERRIDES = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
}
_ATTRIBUTES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")


class Gets:
    """Reads of objects; website pages use `open_body` too."""

    def __init__(self, reach: Reach, sealing: Sealing) -> None:
        self._reach = reach
        self._sealing = sealing

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "GetObject": AwsOperation(self.get),
            "HeadObject": AwsOperation(self.head),
            "GetObjectAttributes": AwsOperation(self.attributes),
        }

    async def get(self, call: AwsCall) -> Members:
        """GetObject."""
        bucket = self._reach.bucket(call)
        found = await self.find(call, bucket)
        check_read(found.version, call.parameters)
        archives.check_readable(found.version, self._reach.depot.now())
        data_key = await self._sealing.for_read(call, found.version.about.encryption, bucket)
        members, (start, end) = self._told(call, bucket, found.version)
        members |= self._overridden(call)
        members["Body"] = await self.open_body(found, data_key, start, end)
        return members

    async def head(self, call: AwsCall) -> Members:
        """HeadObject."""
        bucket = self._reach.bucket(call)
        found = await self.find(call, bucket)
        check_read(found.version, call.parameters)
        self._sealing.check_head(call, found.version.about.encryption)
        members, _ = self._told(call, bucket, found.version)
        return members | self._overridden(call)

    async def attributes(self, call: AwsCall) -> Members:
        """GetObjectAttributes."""
        bucket = self._reach.bucket(call)
        wanted = _wanted(call)
        found = await self.find(call, bucket, "s3:GetObjectAttributes")
        version, about = found.version, found.version.about
        self._sealing.check_head(call, about.encryption)
        members: Members = {"LastModified": version.modified}
        if bucket.spec.versioning:
            members["VersionId"] = version.id
        if "ETag" in wanted:
            members["ETag"] = version.etag
        if "StorageClass" in wanted:
            members["StorageClass"] = about.storage_class
        if "ObjectSize" in wanted:
            members["ObjectSize"] = version.size_bytes
        if "Checksum" in wanted and about.checksums:
            sums = {f"Checksum{name}": value.partition("-")[0] for name, value in about.checksums.items()}
            members["Checksum"] = {**sums, "ChecksumType": about.checksum_type}
        if "ObjectParts" in wanted and about.parts:
            members["ObjectParts"] = _parts(call, version)
        return members

    async def find(self, call: AwsCall, bucket: Bucket, action: str = "s3:GetObject") -> Found:
        """The version a call names, if the caller may read it. Raises NoSuchKey, MethodNotAllowed ..."""
        place = self._reach.place(call, bucket)
        found = await self._reach.depot.find(place, call.parameters.get("VersionId"))
        about = found.version.about if found is not None else None
        self._reach.require_version(call, action, Subject(bucket, place.key, about))
        if found is None:
            raise self._reach.missing(call, bucket)
        if found.version.is_marker:
            raise self._reach.deleted(call, found.version)
        return found

    async def open_body(self, found: Found, data_key: bytes, start: int, end: int) -> object:
        """The bytes: whole where they stand in the index, else a stream."""
        whole = self._reach.depot.whole(found, data_key)
        if whole is not None:
            return whole[start:end]
        pieces = self._reach.depot.read(found, data_key, start, end)
        if all(segment.is_inline for segment in found.version.about.segments):
            return b"".join([piece async for piece in pieces])
        return pieces

    def _told(self, call: AwsCall, bucket: Bucket, version: Version) -> tuple[Members, tuple[int, int]]:
        """The headers of an answer, and the span of the object that it holds."""
        about = version.about
        members: Members = {
            "AcceptRanges": "bytes",
            "LastModified": version.modified,
            "ETag": f'"{version.etag}"',
            "Metadata": about.metadata,
            "WebsiteRedirectLocation": about.redirect or None,
            "TagCount": len(about.tags) or None,
            "Restore": archives.header(version, self._reach.depot.now()),
            **{name: value for name, value in about.headers.items() if name != "Expires"},
            **told(about.encryption),
        }
        if "Expires" in about.headers:
            members[HEADERS] = {"Expires": about.headers["Expires"]}
        if about.storage_class != "STANDARD":
            members["StorageClass"] = about.storage_class
        if bucket.spec.versioning:
            members["VersionId"] = version.id
        self._tell_lock(call, bucket, version, members)
        members["Expiration"] = self._expiration(bucket, version)
        span = self._span(call, version, members)
        if str(call.parameters.get("ChecksumMode", "")).upper() == "ENABLED" and span == (0, version.size_bytes):
            members |= {f"Checksum{name}": value for name, value in about.checksums.items()}
            members["ChecksumType"] = about.checksum_type or None
        return members, span

    def _span(self, call: AwsCall, version: Version, members: Members) -> tuple[int, int]:
        size, asked, number = version.size_bytes, call.parameters.get("Range"), call.parameters.get("PartNumber")
        span: tuple[int, int] | None = None
        if number is not None:
            if asked:
                raise refusal("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
            span = _part_span(version, int(number))
            if version.about.parts:
                members["PartsCount"] = len(version.about.parts)
        elif asked:
            span = span_of(str(asked), size)
        if span is None:
            members["ContentLength"] = size
            return 0, size
        start, end = span
        members["ContentLength"] = end - start
        if end > start:
            members["ContentRange"] = f"bytes {start}-{end - 1}/{size}"
            members[STATUS] = 206
        return span

    def _tell_lock(self, call: AwsCall, bucket: Bucket, version: Version, members: Members) -> None:
        about = version.about
        subject = Subject(bucket, version.key, about)
        if about.retention is not None and self._reach.may(call, "s3:GetObjectRetention", subject):
            members["ObjectLockMode"] = about.retention.mode
            members["ObjectLockRetainUntilDate"] = about.retention.until
        if about.legal_hold and self._reach.may(call, "s3:GetObjectLegalHold", subject):
            members["ObjectLockLegalHoldStatus"] = about.legal_hold

    def _expiration(self, bucket: Bucket, version: Version) -> str | None:
        setting = bucket.setting(lifecycle.SETTING)
        if setting is None or not version.is_latest:
            return None
        thing = lifecycle.Thing(version.key, version.size_bytes, version.about.tags, version.modified_ms)
        day_s = self._reach.config.lifecycle_day_s
        return lifecycle.expiration_header(lifecycle.expiration_of(setting["Rules"], thing, day_s))

    def _overridden(self, call: AwsCall) -> Members:
        """What response-* in the query asks for; only a signed request may."""
        asked = {name: call.parameters[name] for name in _OVERRIDES if call.parameters.get(name) is not None}
        expires = call.parameters.get("ResponseExpires")
        if (asked or expires) and not call.account:
            raise refusal(
                "InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests."
            )
        members: Members = {_OVERRIDES[name]: value for name, value in asked.items()}
        if expires is not None:
            shown = expires if isinstance(expires, str) else expires.strftime("%a, %d %b %Y %H:%M:%S GMT")
            members[HEADERS] = {"Expires": shown}
        return members


def _part_span(version: Version, number: int) -> tuple[int, int]:
    parts = version.about.parts
    if number < 1 or number > 10_000:
        raise bad_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", number)
    if number > max(len(parts), 1):
        raise refusal("InvalidPartNumber", ActualPartCount=max(len(parts), 1), PartNumberRequested=number)
    if not parts:
        return 0, version.size_bytes
    start = sum(part.size_bytes for part in parts[: number - 1])
    return start, start + parts[number - 1].size_bytes


def _wanted(call: AwsCall) -> tuple[str, ...]:
    given = call.parameters.get("ObjectAttributes") or []
    names = given.split(",") if isinstance(given, str) else [one for text in given for one in str(text).split(",")]
    wanted = tuple(name.strip() for name in names if name.strip())
    if not wanted:
        text = "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty"
        raise refusal("InvalidRequest", text)
    if not set(wanted) <= set(_ATTRIBUTES):
        raise bad_argument("Invalid attribute name specified.", "x-amz-object-attributes", "")
    return wanted


def _parts(call: AwsCall, version: Version) -> Members:
    about = version.about
    answer: Members = {"TotalPartsCount": len(about.parts)}
    if not any(part.checksums for part in about.parts):
        return answer
    after, count = int(call.parameters.get("PartNumberMarker") or 0), int(call.parameters.get("MaxParts") or 1000)
    count = min(count, 1000)
    left = [part for part in about.parts if part.number > after]
    shown = left[:count]
    answer |= {
        "PartNumberMarker": after,
        "NextPartNumberMarker": shown[-1].number if shown else 0,
        "MaxParts": count,
        "IsTruncated": len(left) > len(shown),
        "Parts": [
            {"PartNumber": part.number, "Size": part.size_bytes}
            | {f"Checksum{name}": value for name, value in part.checksums.items()}
            for part in shown
        ],
    }
    return answer
