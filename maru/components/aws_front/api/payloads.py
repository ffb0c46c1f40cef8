"""Bodies that stream: decoded from aws-chunked and verified on the way, so that nothing is held in memory.

What is wrong with a body shows only while it is read, so it is raised to the service that reads, which then
takes back what it wrote. Source: S3 API reference, "Signature Calculations for the Authorization Header";
Amazon S3 User Guide, "Checking object integrity".
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from maru.components.aws_front.api.head import Head
from maru.components.aws_front.api.signatures import MISMATCH_S3, Established
from maru.components.aws_front.errors import refused
from maru.core.errors import Deadline, Invalid, MaruError
from maru.core.front.message import Request
from maru.wire.aws.checksums import PREFIX, Checksum, checksum
from maru.wire.aws.chunks import MALFORMED_TRAILER, ChunkDecoder
from maru.wire.aws.faults import Fault
from maru.wire.aws.signature import ALGORITHM, EMPTY_SHA256, UNSIGNED, is_same, sign

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING = frozenset((SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER))
SMALL_BYTES_MAX = 64 * 1024
"""A body that says it is no larger is read whole, without the machinery of streams."""
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Payload:
    """pieces: the decoded body. size_bytes: -1 if unknown. algorithm: of a trailing checksum, "" for none.

    whole: a small body that was read and found good, in place of its pieces.
    """

    pieces: AsyncIterator[bytes]
    size_bytes: int
    algorithm: str = ""
    whole: bytes | None = None


async def read_small(request: Request, head: Head, said: str) -> Payload | None:
    """A body that is small and not chunked; None for any other. What is wrong with it is raised when it is read."""
    length = _length(head.headers.get("content-length"))
    if "transfer-encoding" in head.headers:
        return None
    is_digest = len(said) == 64 and _HEX.issuperset(said)
    if length > SMALL_BYTES_MAX or not (is_digest or said in ("", UNSIGNED)):
        return None
    try:
        whole = await request.body(SMALL_BYTES_MAX) if length > 0 else b""
    except MaruError as error:
        return Payload(_raising(_broken_off(error)), length)
    computed = hashlib.sha256(whole).hexdigest() if is_digest and whole else EMPTY_SHA256
    if is_digest and computed != said:
        return Payload(_raising(_wrong_digest(said, computed)), length)
    return Payload(_nothing(), max(length, 0), whole=whole)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def _raising(error: MaruError) -> AsyncIterator[bytes]:
    raise error
    yield b""


def open_payload(request: Request, head: Head, said: str, signed: Established | None) -> Payload:
    """The body as the service is to read it. said: x-amz-content-sha256, "" for an unsigned request. Raises Fault."""
    arriving = _arriving(request)
    length = _length(head.headers.get("content-length"))
    if said in STREAMING:
        decoded = _length(head.headers.get("x-amz-decoded-content-length"))
        if decoded < 0:
            raise Fault("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
        names = [name.strip().lower() for name in head.headers.get("x-amz-trailer", "").split(",") if name.strip()]
        check = _Check(said, names, signed)
        return Payload(_decoded(arriving, check, decoded), decoded, check.algorithm)
    if said.startswith("STREAMING-"):
        raise _bad_digest(said)
    if said and said != UNSIGNED:
        if len(said) != 64 or not _HEX.issuperset(said):
            raise _bad_digest(said)
        arriving = _digested(arriving, said)
    if length < 0 and "transfer-encoding" not in head.headers:
        length = 0
    return Payload(arriving, length)


def _length(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else -1


def _bad_digest(said: str) -> Fault:
    text = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
    text += "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value."
    return Fault("InvalidArgument", text, members={"ArgumentName": "x-amz-content-sha256", "ArgumentValue": said})


async def _arriving(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.chunks():
            yield piece
    except MaruError as error:
        raise _broken_off(error) from error


def broken_off(error: MaruError) -> MaruError:
    """A body that did not come whole, in S3's words."""
    return _broken_off(error)


def _broken_off(error: MaruError) -> MaruError:
    if isinstance(error, Deadline):
        return refused(
            Fault(
                "RequestTimeout",
                "Your socket connection to the server was not read from or written to within the timeout period. "
                "Idle connections will be closed.",
            )
        )
    if isinstance(error, Invalid) and "code" not in error.details:
        return refused(_wrong_length())
    return error


async def _digested(arriving: AsyncIterator[bytes], said: str) -> AsyncIterator[bytes]:
    digest = hashlib.sha256()
    async for piece in arriving:
        digest.update(piece)
        yield piece
    computed = digest.hexdigest()
    if computed != said:
        raise _wrong_digest(said, computed)


def _wrong_digest(said: str, computed: str) -> MaruError:
    members = {"ClientComputedContentSHA256": said, "S3ComputedContentSHA256": computed}
    text = "The provided 'x-amz-content-sha256' header does not match what was computed."
    return refused(Fault("XAmzContentSHA256Mismatch", text, members=members))


async def _decoded(arriving: AsyncIterator[bytes], check: _Check, size_bytes: int) -> AsyncIterator[bytes]:
    decoder = ChunkDecoder(check)
    seen_bytes = 0
    try:
        async for piece in arriving:
            for part in decoder.feed(piece):
                seen_bytes += len(part)
                if seen_bytes > size_bytes:
                    raise _wrong_length()
                yield part
        decoder.finish()
        if seen_bytes != size_bytes:
            raise _wrong_length()
    except Fault as fault:
        raise refused(fault) from fault


def _wrong_length() -> Fault:
    return Fault(
        "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header"
    )


class _Check:
    """As wire.aws.chunks.ChunkCheck: chains the signatures of chunks, computes the trailing checksum."""

    def __init__(self, said: str, names: list[str], signed: Established | None) -> None:
        self._signed = signed if said != UNSIGNED_TRAILER else None
        self._before = signed.claim.signature if signed is not None else ""
        self._digest = hashlib.sha256()
        self._sum: Checksum | None = None
        self._names = names
        self.algorithm = ""
        if said != SIGNED:
            sums = [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]
            if len(sums) > 1:
                raise Fault(
                    "InvalidRequest",
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
                )
            if sums:
                self.algorithm = sums[0]
                self._sum = checksum(sums[0])
            if not names or (sums and self._sum is None):
                raise Fault("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")

    def count(self, piece: bytes) -> None:
        """Count it in."""
        if self._signed is not None:
            self._digest.update(piece)
        if self._sum is not None:
            self._sum.update(piece)

    def chunk_end(self, signature: str) -> None:
        """Each chunk's signature covers the one before."""
        signed = self._signed
        if signed is None:
            return
        claim, digest = signed.claim, self._digest.hexdigest()
        text = f"{ALGORITHM}-PAYLOAD\n{claim.stamp}\n{claim.scope}\n{self._before}\n{EMPTY_SHA256}\n{digest}"
        if not is_same(sign(signed.key, text), signature):
            raise _mismatch()
        self._before = signature
        self._digest = hashlib.sha256()

    def trailer(self, lines: list[tuple[str, str]]) -> None:
        """What was announced must be there, signed where the upload is, and right."""
        told = dict(lines)
        signature = told.pop("x-amz-trailer-signature", "")
        if set(told) != set(self._names) and (self._names or told):
            raise Fault(
                "MalformedTrailerError",
                MALFORMED_TRAILER,
            )
        signed = self._signed
        if signed is not None and told:
            text = "".join(f"{name}:{value}\n" for name, value in lines if name in told)
            claim = signed.claim
            digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
            text = f"{ALGORITHM}-TRAILER\n{claim.stamp}\n{claim.scope}\n{self._before}\n{digest}"
            if not is_same(sign(signed.key, text), signature):
                raise _mismatch()
        if self._sum is not None and told[PREFIX + self.algorithm] != self._sum.text():
            raise Fault(
                "BadDigest", f"The {self.algorithm.upper()} you specified did not match the calculated checksum."
            )


def _mismatch() -> Fault:
    return Fault("SignatureDoesNotMatch", MISMATCH_S3, 403)
