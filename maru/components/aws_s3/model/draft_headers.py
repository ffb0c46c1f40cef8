"""What a request says about the object it writes: headers, metadata, tags, storage class, checksums, locks.

Source: Amazon S3 API reference, PutObject and CreateMultipartUpload.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl

from maru.components.aws_s3.errors import bad_argument, refusal

HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")
METADATA_BYTES_MAX = 2048
STORAGE_CLASSES = (
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
)
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
"""What must be restored before it can be read."""
_ELSEWHERE = ("SNOW", "OUTPOSTS", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP")
ALGORITHMS = (
    "CRC32",
    "CRC32C",
    "CRC64NVME",
    "SHA1",
    "SHA256",
    "SHA512",
    "MD5",
    "XXHASH64",
    "XXHASH3",
    "XXHASH128",
)
DEFAULT_ALGORITHM = "CRC64NVME"
_SIZES = dict(zip(ALGORITHMS, (4, 4, 8, 20, 32, 64, 16, 8, 8, 16), strict=True))
_TAGS_FORM = (
    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name "
    "duplicates."
)
_TAG_EXTRAS = " +-=._:/@"
Parameters = Mapping[str, object]


def system_headers(parameters: Parameters, headers: Mapping[str, str]) -> dict[str, str]:
    """By the model's names. headers: the request's, for Expires, which is kept as it was sent."""
    found = {name: str(parameters[name]) for name in HEADERS if parameters.get(name) is not None}
    if "expires" in headers:
        found["Expires"] = headers["expires"]
    codings = [one.strip() for one in found.get("ContentEncoding", "").split(",")]
    kept = [one for one in codings if one and one != "aws-chunked"]
    found.pop("ContentEncoding", None)
    if kept:
        found["ContentEncoding"] = ",".join(kept)
    found.setdefault("ContentType", "binary/octet-stream")
    return found


def user_metadata(parameters: Parameters) -> dict[str, str]:
    """Names in lower case. Raises MetadataTooLarge."""
    given = parameters.get("Metadata")
    metadata = {str(name).lower(): str(value) for name, value in given.items()} if isinstance(given, Mapping) else {}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > METADATA_BYTES_MAX:
        raise refusal("MetadataTooLarge", Size=size, MaxSizeAllowed=METADATA_BYTES_MAX)
    return metadata


def storage_class(parameters: Parameters) -> str:
    """Raises InvalidStorageClass; NotImplemented for classes that are no part of a bucket's."""
    name = str(parameters.get("StorageClass") or "STANDARD")
    if name in _ELSEWHERE:
        raise refusal("NotImplemented", f"The storage class {name} is not implemented.", Header="x-amz-storage-class")
    if name not in STORAGE_CLASSES:
        raise refusal("InvalidStorageClass", StorageClassRequested=name)
    return name


def tags_of_header(text: object) -> dict[str, str]:
    """The tags of x-amz-tagging, a query string. Raises InvalidArgument, InvalidTag, BadRequest."""
    if not text:
        return {}
    pairs = parse_qsl(str(text), keep_blank_values=True)
    if len({name for name, _ in pairs}) != len(pairs):
        raise bad_argument(_TAGS_FORM, "x-amz-tagging", text)
    if any(name.lower().startswith("aws:") for name, _ in pairs):
        raise refusal("InvalidTag", "Your TagKey cannot be prefixed with aws:")
    check_tags(pairs, count_max=10)
    return dict(pairs)


def tags_of_set(tag_set: object, *, count_max: int) -> dict[str, str]:
    """The tags of a Tagging element. Raises InvalidTag, BadRequest."""
    entries = tag_set if isinstance(tag_set, list) else []
    pairs = [(str(entry.get("Key", "")), str(entry.get("Value", ""))) for entry in entries]
    if len({name for name, _ in pairs}) != len(pairs):
        twice = next(name for name, _ in pairs if [one for one, _ in pairs].count(name) > 1)
        raise refusal("InvalidTag", "Cannot provide multiple Tags with the same key", TagKey=twice)
    check_tags(pairs, count_max=count_max)
    return dict(pairs)


def check_tags(pairs: list[tuple[str, str]], *, count_max: int) -> None:
    """Count, lengths, characters, reserved names. Raises InvalidTag, BadRequest."""
    if len(pairs) > count_max:
        noun = "Object tags" if count_max == 10 else "Bucket tag count"
        raise refusal("BadRequest", f"{noun} cannot be greater than {count_max}")
    for name, value in pairs:
        if name.lower().startswith("aws:"):
            raise refusal("InvalidTag", "System tags cannot be added/updated by requester")
        if not 1 <= len(name) <= 128 or not _is_tag_text(name):
            raise refusal("InvalidTag", "The TagKey you have provided is invalid", TagKey=name)
        if len(value) > 256 or not _is_tag_text(value):
            raise refusal("InvalidTag", "The TagValue you have provided is invalid", TagKey=name, TagValue=value)


def given_checksums(parameters: Parameters) -> dict[str, str]:
    """The checksums a request brings, by algorithm. Raises InvalidRequest for one that cannot be right."""
    found = {name: str(parameters[f"Checksum{name}"]) for name in ALGORITHMS if parameters.get(f"Checksum{name}")}
    if len(found) > 1:
        raise refusal(
            "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    for name, value in found.items():
        if len(_decoded(value.partition("-")[0])) != _SIZES[name]:
            raise refusal("InvalidRequest", f"Value for x-amz-checksum-{name.lower()} header is invalid.")
    return found


def announced_algorithm(parameters: Parameters, headers: Mapping[str, str]) -> str:
    """The algorithm asked for in ChecksumAlgorithm, or of the checksum that comes as a trailer; "" for none."""
    for name in headers.get("x-amz-trailer", "").lower().split(","):
        known = name.strip().removeprefix("x-amz-checksum-").upper()
        if known in ALGORITHMS:
            return known
    asked = str(parameters.get("ChecksumAlgorithm") or "").upper()
    if asked and asked not in ALGORITHMS:
        text = (
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
        )
        raise refusal("InvalidRequest", text)
    return asked


def content_md5(parameters: Parameters) -> bytes | None:
    """The 16 bytes of Content-MD5. Raises InvalidDigest."""
    given = parameters.get("ContentMD5")
    if given is None:
        return None
    digest = _decoded(str(given))
    if len(digest) != 16:
        raise refusal("InvalidDigest")
    return digest


def redirect_location(parameters: Parameters) -> str:
    """Raises InvalidRedirectLocation."""
    text = str(parameters.get("WebsiteRedirectLocation") or "")
    if text and not text.startswith(("/", "http://", "https://")):
        raise refusal("InvalidRedirectLocation")
    return text


def moment(value: object) -> datetime | None:
    """A timestamp parameter."""
    return value if isinstance(value, datetime) else None


def _is_tag_text(text: str) -> bool:
    return all(letter.isalnum() or letter in _TAG_EXTRAS for letter in text)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
