"""Conditional requests and ranges: which part of an object is wanted, and whether at all.

Source: RFC 9110, sections 13 and 14, as Amazon S3 reads them (GetObject, PutObject, CopyObject).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model.entry import Version

_RANGE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*")
Parameters = Mapping[str, object]


def check_read(version: Version, parameters: Parameters, prefix: str = "", *, is_copy: bool = False) -> None:
    """Raises PreconditionFailed or NotModified. prefix: of the parameters' names, CopySource for a source."""
    match, none_match = parameters.get(f"{prefix}IfMatch"), parameters.get(f"{prefix}IfNoneMatch")
    since = parameters.get(f"{prefix}IfModifiedSince")
    unmodified_since = parameters.get(f"{prefix}IfUnmodifiedSince")
    header = "x-amz-copy-source-" if prefix else ""
    if match is not None:
        if not _matches(version, str(match)):
            raise _failed(f"{header}If-Match")
    elif isinstance(unmodified_since, datetime) and version.modified > unmodified_since:
        raise _failed(f"{header}If-Unmodified-Since")
    if none_match is not None:
        if _matches(version, str(none_match)):
            raise _failed(f"{header}If-None-Match") if is_copy else _not_modified(version)
    elif isinstance(since, datetime) and version.modified <= since:
        raise _failed(f"{header}If-Modified-Since") if is_copy else _not_modified(version)


def check_write(before: Version | None, parameters: Parameters) -> None:
    """A put's If-Match and If-None-Match (which may only be *). Raises PreconditionFailed, NoSuchKey."""
    match, none_match = parameters.get("IfMatch"), parameters.get("IfNoneMatch")
    if none_match is not None and before is not None:
        raise _failed("If-None-Match")
    if match is not None:
        if before is None:
            raise refusal("NoSuchKey", Key=str(parameters.get("Key", "")))
        if not _matches(before, str(match)):
            raise _failed("If-Match")


def check_write_headers(parameters: Parameters) -> None:
    """What a put may ask for. Raises NotImplemented."""
    match, none_match = parameters.get("IfMatch"), parameters.get("IfNoneMatch")
    more = "We don't accept the provided value of If-None-Match header for this API"
    if match is not None and none_match is not None:
        raise refusal(
            "NotImplemented",
            Header="If-Match,If-None-Match",
            additionalMessage="Multiple conditional request headers present in the request",
        )
    if none_match is not None and str(none_match) != "*":
        raise refusal("NotImplemented", Header="If-None-Match", additionalMessage=more)
    if match is not None and str(match) == "*":
        raise refusal("NotImplemented", Header="If-None-Match", additionalMessage=more.replace("None-", ""))


def span_of(asked: str, size_bytes: int) -> tuple[int, int] | None:
    """(start, end), end exclusive, of a Range header; None where it is to be passed over. Raises InvalidRange."""
    found = _RANGE.fullmatch(asked)
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size_bytes - int(last)), size_bytes
    else:
        start, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
        if last and int(last) < start:
            return None
    if start >= end:
        raise refusal("InvalidRange", RangeRequested=asked, ActualObjectSize=size_bytes)
    return start, end


def copy_span_of(asked: str, size_bytes: int) -> tuple[int, int]:
    """The span of a CopySourceRange, which is stricter. Raises InvalidArgument, InvalidRange."""
    found = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
    if found is None or int(found.group(1)) > int(found.group(2)):
        text = (
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy"
        )
        raise refusal("InvalidArgument", text, ArgumentName="x-amz-copy-source-range", ArgumentValue=asked)
    start, end = int(found.group(1)), int(found.group(2)) + 1
    if start >= size_bytes:
        raise refusal("InvalidRequest", "The specified copy range is invalid for the source object size")
    if end > size_bytes:
        text = f"Range specified is not valid for source object of size: {size_bytes}"
        raise refusal("InvalidArgument", text, ArgumentName="x-amz-copy-source-range", ArgumentValue=asked)
    return start, end


def _matches(version: Version, header: str) -> bool:
    if header.strip() == "*":
        return True
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in header.split(","))
    return version.etag in tags


def _failed(condition: str) -> Exception:
    return refusal("PreconditionFailed", Condition=condition)


def _not_modified(version: Version) -> Exception:
    headers = {"ETag": f'"{version.etag}"', "Last-Modified": version.modified.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    return refusal("NotModified", headers=headers)
