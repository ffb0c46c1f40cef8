"""Form uploads: multipart/form-data read as it streams, and the policy that a form's signer set for it.

Fields come first and are small; the file comes last and is passed on without being held.
Source: RFC 7578; Amazon S3 API reference, "Browser-based uploads using POST", "POST policy".
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from maru.components.aws_s3.errors import bad_argument, refusal
from maru.core.clock import parse_rfc3339
from maru.core.document import Value

FIELDS_BYTES_MAX = 20 * 1024
HEADER_BYTES_MAX = 8 * 1024
_FREE = ("x-amz-signature", "file", "policy", "awsaccesskeyid", "signature", "submit")
_NAME = re.compile(r'(?:^|;)\s*name="((?:[^"\\]|\\.)*)"|(?:^|;)\s*name=([^;"\s]+)')
_FILENAME = re.compile(r'filename="((?:[^"\\]|\\.)*)"|filename=([^;"\s]+)')


@dataclass(frozen=True, slots=True)
class Form:
    """fields: by name in lower case; file: the file's bytes, to be read to the end."""

    fields: Mapping[str, str]
    file_name: str
    file: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class SizeRange:
    """What content-length-range allows, in bytes."""

    least: int = 0
    most: int = 5 * 1024**3


def boundary_of(content_type: str) -> bytes:
    """Of a multipart/form-data content type. Raises PreconditionFailed, MalformedPOSTRequest."""
    if not content_type.lower().startswith("multipart/form-data"):
        condition = "Bucket POST must be of the enclosure-type multipart/form-data"
        raise refusal("PreconditionFailed", Condition=condition)
    found = re.search(r'boundary="?([^";]+)"?', content_type)
    if found is None:
        raise refusal("MalformedPOSTRequest")
    return found.group(1).strip().encode()


async def read_form(pieces: AsyncIterator[bytes], boundary: bytes) -> Form:
    """Read up to the file. Raises MalformedPOSTRequest, MaxPostPreDataLengthExceeded, InvalidArgument."""
    reader = _Reader(pieces, b"\r\n--" + boundary)
    fields: dict[str, str] = {}
    await reader.skip_preamble()
    size_bytes = 0
    while await reader.has_part():
        name, file_name = _disposition(await reader.headers())
        if name.lower() == "file":
            return Form(fields, file_name, reader.content())
        value = b"".join([piece async for piece in reader.content(FIELDS_BYTES_MAX)])
        size_bytes += len(name) + len(value)
        if size_bytes > FIELDS_BYTES_MAX:
            raise refusal("MaxPostPreDataLengthExceeded")
        fields[name.lower()] = value.decode(errors="replace")
    text = "POST requires exactly one file upload per request."
    raise bad_argument(text, "file", "0")


def checked_policy(text: str, now: datetime) -> Value:
    """The policy of a form, decoded. Raises InvalidPolicyDocument, AccessDenied (expired)."""
    try:
        policy = msgspec.json.decode(base64.b64decode(text, validate=False))
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise refusal("InvalidPolicyDocument", "Invalid Policy: Invalid JSON.") from error
    if not isinstance(policy, dict) or "expiration" not in policy:
        raise refusal("InvalidPolicyDocument", "Invalid Policy: Policy missing expiration.")
    if not isinstance(policy.get("conditions"), list):
        raise refusal("InvalidPolicyDocument", "Invalid Policy: Policy missing conditions.")
    try:
        until = parse_rfc3339(str(policy["expiration"]))
    except ValueError as error:
        said = f"Invalid Policy: Invalid 'expiration' value: '{policy['expiration']}'"
        raise refusal("InvalidPolicyDocument", said) from error
    if until <= now:
        raise refusal("AccessDenied", "Invalid according to Policy: Policy expired.")
    return policy


def check_conditions(policy: Value, fields: Mapping[str, str], bucket: str) -> SizeRange:
    """What a form's fields must be by its policy; the sizes it allows. Raises AccessDenied, InvalidPolicyDocument."""
    values = {**fields, "bucket": bucket}
    covered = {"bucket", *_FREE}
    sizes = SizeRange()
    for condition in policy["conditions"]:
        if isinstance(condition, dict):
            for name, wanted in condition.items():
                covered.add(name.lower())
                if values.get(name.lower()) != str(wanted):
                    raise _broken(["eq", f"${name}", wanted])
            continue
        if not isinstance(condition, list) or len(condition) != 3:
            raise refusal("InvalidPolicyDocument", "Invalid Policy: Invalid condition.")
        operator, name, wanted = str(condition[0]).lower(), str(condition[1]), condition[2]
        if operator == "content-length-range":
            sizes = _sizes(condition)
            continue
        covered.add(name.removeprefix("$").lower())
        value = values.get(name.removeprefix("$").lower())
        if operator == "eq" and value == str(wanted):
            continue
        if operator == "starts-with" and value is not None and _begins(name, value, str(wanted)):
            continue
        if operator not in ("eq", "starts-with"):
            raise refusal("InvalidPolicyDocument", f"Invalid Policy: Invalid condition operator '{condition[0]}'.")
        raise _broken(condition)
    extra = sorted(name for name in fields if name not in covered and not name.startswith("x-ignore-"))
    if extra:
        raise refusal("AccessDenied", f"Invalid according to Policy: Extra input fields: {', '.join(extra)}")
    return sizes


async def within(pieces: AsyncIterator[bytes], sizes: SizeRange) -> AsyncIterator[bytes]:
    """The bytes, refused as soon as they are too many, or at the end when they are too few."""
    size_bytes = 0
    async for piece in pieces:
        size_bytes += len(piece)
        if size_bytes > sizes.most:
            raise refusal("EntityTooLarge", ProposedSize=size_bytes, MaxSizeAllowed=sizes.most)
        yield piece
    if size_bytes < sizes.least:
        raise refusal("EntityTooSmall", ProposedSize=size_bytes, MinSizeAllowed=sizes.least)


def _sizes(condition: list[object]) -> SizeRange:
    try:
        least, most = int(str(condition[1])), int(str(condition[2]))
    except ValueError as error:
        raise refusal("InvalidPolicyDocument", "Invalid Policy: Invalid content-length-range.") from error
    return SizeRange(least, most)


def _begins(name: str, value: str, wanted: str) -> bool:
    if name.lower() == "$content-type" and "," in value:
        return all(one.strip().startswith(wanted) for one in value.split(","))
    return value.startswith(wanted)


def _broken(condition: object) -> Exception:
    shown = msgspec.json.encode(condition).decode().replace('","', '", "')
    return refusal("AccessDenied", f"Invalid according to Policy: Policy Condition failed: {shown}")


def _disposition(headers: bytes) -> tuple[str, str]:
    for line in headers.decode(errors="replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            found, file = _NAME.search(value), _FILENAME.search(value)
            if found is not None:
                file_name = (file.group(1) or file.group(2) or "") if file is not None else ""
                return found.group(1) or found.group(2) or "", re.split(r"[/\\]", file_name)[-1]
    raise refusal("MalformedPOSTRequest")


class _Reader:
    """A stream cut at a delimiter. Holds at most one piece and the length of the delimiter."""

    def __init__(self, pieces: AsyncIterator[bytes], delimiter: bytes) -> None:
        self._pieces = pieces
        self._delimiter = delimiter
        self._held = bytearray(b"\r\n")  # the first delimiter may stand at the very beginning

    async def skip_preamble(self) -> None:
        async for _ in self.content(HEADER_BYTES_MAX):
            continue

    async def has_part(self) -> bool:
        """Behind a delimiter: a line's end begins a part, two dashes end the form."""
        while len(self._held) < 2:
            await self._more()
        mark = bytes(self._held[:2])
        del self._held[:2]
        if mark not in (b"\r\n", b"--"):
            raise refusal("MalformedPOSTRequest")
        return mark == b"\r\n"

    async def headers(self) -> bytes:
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            if len(self._held) > HEADER_BYTES_MAX:
                raise refusal("MaxPostPreDataLengthExceeded")
            await self._more()
        found = bytes(self._held[:end])
        del self._held[: end + 4]
        return found

    async def content(self, bytes_max: int = 1 << 62) -> AsyncIterator[bytes]:
        """Up to the next delimiter, which is passed over."""
        size_bytes = 0
        while True:
            at = self._held.find(self._delimiter)
            ready = at if at >= 0 else max(0, len(self._held) - len(self._delimiter))
            size_bytes += ready
            if size_bytes > bytes_max:
                raise refusal("MaxPostPreDataLengthExceeded")
            if ready:
                piece = bytes(self._held[:ready])
                del self._held[:ready]
                yield piece
            if at >= 0:
                del self._held[: len(self._delimiter)]
                return
            await self._more()

    async def _more(self) -> None:
        piece = await anext(self._pieces, None)
        if piece is None:
            raise refusal("MalformedPOSTRequest")
        self._held += piece
