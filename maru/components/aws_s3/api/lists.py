"""Lists: of objects (both versions of the operation), of versions.

Source: Amazon S3 API reference, ListObjects, ListObjectsV2, ListObjectVersions.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from maru.components.aws_s3.api.reach import Reach, Subject, owner_of
from maru.components.aws_s3.engine.listing import Page, Range, Row
from maru.components.aws_s3.errors import bad_argument
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.names import after_prefix
from maru.contracts.aws_service import AwsCall, AwsOperation, Members

PAGE_MAX = 1000


class Lists:
    """Pages of keys."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "ListObjects": AwsOperation(self.list_one),
            "ListObjectsV2": AwsOperation(self.list_two),
            "ListObjectVersions": AwsOperation(self.list_versions),
        }

    async def list_one(self, call: AwsCall) -> Members:
        """ListObjects, with a marker."""
        bucket = self._reach.bucket(call)
        self._reach.require(call, "s3:ListBucket", Subject(bucket))
        parameters, shown = call.parameters, encoding_of(call)
        marker = str(parameters.get("Marker") or "")
        delimiter = str(parameters.get("Delimiter") or "")
        limit = page_size(parameters.get("MaxKeys"), "max-keys")
        asked = Range(str(parameters.get("Prefix") or ""), delimiter, marker + "\0" if marker else "", limit, marker)
        page = await self._page(bucket, asked)
        answer = _told(call, page, limit, shown)
        answer["Marker"] = shown(marker)
        if page.is_truncated and delimiter:
            answer["NextMarker"] = shown(page.last)
        answer["Contents"] = [_object(row, shown, with_owner=True) for row in page.entries if isinstance(row, Row)]
        return answer

    async def list_two(self, call: AwsCall) -> Members:
        """ListObjectsV2, with continuation tokens."""
        bucket = self._reach.bucket(call)
        self._reach.require(call, "s3:ListBucket", Subject(bucket))
        parameters, shown = call.parameters, encoding_of(call)
        token, after = parameters.get("ContinuationToken"), str(parameters.get("StartAfter") or "")
        start = after + "\0" if after else ""
        if token is not None:
            start = _start_of(str(token))
        limit = page_size(parameters.get("MaxKeys"), "max-keys")
        delimiter = str(parameters.get("Delimiter") or "")
        asked = Range(str(parameters.get("Prefix") or ""), delimiter, start, limit)
        page = await self._page(bucket, asked)
        answer = _told(call, page, limit, shown)
        with_owner = bool(parameters.get("FetchOwner"))
        answer["Contents"] = [
            _object(row, shown, with_owner=with_owner) for row in page.entries if isinstance(row, Row)
        ]
        answer["KeyCount"] = len(page.entries)
        answer["ContinuationToken"] = token
        answer["StartAfter"] = shown(after) if after else None
        if page.is_truncated:
            is_prefix = page.entries and isinstance(page.entries[-1], str)
            answer["NextContinuationToken"] = _token_of(after_prefix(page.last) if is_prefix else page.last + "\0")
        return answer

    async def list_versions(self, call: AwsCall) -> Members:
        """ListObjectVersions."""
        bucket = self._reach.bucket(call)
        self._reach.require(call, "s3:ListBucketVersions", Subject(bucket))
        parameters, shown = call.parameters, encoding_of(call)
        marker, after_id = parameters.get("KeyMarker"), parameters.get("VersionIdMarker")
        if after_id is not None and marker is None:
            text = "A version-id marker cannot be specified without a key marker."
            raise bad_argument(text, "version-id-marker", after_id)
        limit = page_size(parameters.get("MaxKeys"), "max-keys")
        prefix, delimiter = str(parameters.get("Prefix") or ""), str(parameters.get("Delimiter") or "")
        asked = Range(prefix, delimiter, str(marker or ""), limit, str(marker or ""))
        page = (
            await self._reach.depot.list_versions(bucket.id, asked, str(after_id or "")) if limit else Page([], False)
        )
        answer = _told(call, page, limit, shown)
        answer |= {"KeyMarker": shown(str(marker or "")), "VersionIdMarker": after_id or ""}
        if page.is_truncated:
            answer |= {"NextKeyMarker": shown(page.last), "NextVersionIdMarker": page.last_id or None}
        rows = [row for row in page.entries if isinstance(row, Row)]
        answer["Versions"] = [_version(row, shown) for row in rows if not row.is_marker]
        answer["DeleteMarkers"] = [_marker(row, shown) for row in rows if row.is_marker]
        return answer

    async def _page(self, bucket: Bucket, asked: Range) -> Page:
        return await self._reach.depot.list_objects(bucket.id, asked) if asked.limit else Page([], False)


def page_size(asked: object, name: str) -> int:
    """What max-keys and its like allow for, at most 1000. Raises InvalidArgument."""
    count = PAGE_MAX if asked is None else int(str(asked))
    check_count(count, name)
    return min(count, PAGE_MAX)


def check_count(count: int, name: str) -> None:
    """Raises InvalidArgument."""
    if count >= 2**31:
        raise bad_argument(f"Provided {name} not an integer or within integer range", name, count)
    if count < 0:
        raise bad_argument(f"Argument {name} must be an integer between 0 and 2147483647", name, count)


def encoding_of(call: AwsCall) -> Callable[[str], str]:
    """How keys are shown: as they are, or (encoding-type=url) percent-encoded. Raises InvalidArgument."""
    asked = call.parameters.get("EncodingType")
    if asked is None:
        return str
    if asked != "url":
        raise bad_argument("Invalid Encoding Method specified in Request", "encoding-type", asked)
    return encoded


def encoded(text: str) -> str:
    """As S3 encodes keys in lists: the slash and the star stay, a space is a plus."""
    return quote(text, safe="/*").replace("%20", "+").replace("~", "%7E")


def moment_of(modified_ms: int) -> datetime:
    """To whole seconds, as S3 tells it."""
    return datetime.fromtimestamp(modified_ms // 1000, UTC)


def _told(call: AwsCall, page: Page, limit: int, shown: Callable[[str], str]) -> Members:
    delimiter = call.parameters.get("Delimiter")
    return {
        "Name": call.parameters["Bucket"],
        "Prefix": shown(str(call.parameters.get("Prefix") or "")),
        "Delimiter": shown(str(delimiter)) if delimiter else None,
        "MaxKeys": limit,
        "EncodingType": call.parameters.get("EncodingType"),
        "IsTruncated": page.is_truncated,
        "CommonPrefixes": [{"Prefix": shown(entry)} for entry in page.entries if isinstance(entry, str)],
    }


def _object(row: Row, shown: Callable[[str], str], *, with_owner: bool) -> Members:
    told: Members = {
        "Key": shown(row.key),
        "LastModified": moment_of(row.modified_ms),
        "ETag": f'"{row.etag}"',
        "Size": row.size_bytes,
        "StorageClass": row.storage_class,
    }
    if row.sums:
        told |= {"ChecksumAlgorithm": list(row.sums[:-1]), "ChecksumType": row.sums[-1]}
    if with_owner:
        told["Owner"] = owner_of(row.owner)
    return told


def _version(row: Row, shown: Callable[[str], str]) -> Members:
    return _object(row, shown, with_owner=True) | {"VersionId": row.id, "IsLatest": row.is_latest}


def _marker(row: Row, shown: Callable[[str], str]) -> Members:
    return {
        "Key": shown(row.key),
        "VersionId": row.id,
        "IsLatest": row.is_latest,
        "LastModified": moment_of(row.modified_ms),
        "Owner": owner_of(row.owner),
    }


def _token_of(start: str) -> str:
    return base64.urlsafe_b64encode(b"1" + start.encode()).decode()


def _start_of(token: str) -> str:
    try:
        kept = base64.urlsafe_b64decode(token)
        if kept[:1] == b"1":
            return kept[1:].decode()
    except (binascii.Error, ValueError):
        pass
    raise bad_argument("The continuation token provided is incorrect", "continuation-token", token)
