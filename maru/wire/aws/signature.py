"""Signature Version 4: reading what a client signed with, and computing what it should have been.

Header and query (presigned) forms share one canonical request. S3 signs the path as it is sent; every
other service signs it normalised and encoded once more.
Source: IAM User Guide, "Create a signed AWS API request"; S3 API reference, "Authenticating Requests".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote

from msgspec import Struct

from maru.wire.aws.faults import Fault

ALGORITHM = "AWS4-HMAC-SHA256"
ASYMMETRIC = "AWS4-ECDSA-P256-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_SPACES = re.compile(r" +")
_STAMP = "%Y%m%dT%H%M%SZ"
_FRONT_CHARACTERS_MAX = 512  # of what is kept
_FRONT = re.compile(
    rf"{ALGORITHM} Credential=([^/, =]+)/([0-9]{{8}})/([^/, =]+)/([^/, =]+)/aws4_request, ?"
    r"SignedHeaders=([A-Za-z0-9;_-]+), ?"
)
_STAMP_FORM = re.compile(r"[0-9]{8}T[0-9]{6}Z")


class Claim(Struct, frozen=True):
    """What a client says it signed with. expires_s: of a presigned URL, else 0; stamp: 20260102T030405Z.

    is_version_two: see wire.aws.signature_two; it has no scope.
    """

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    stamp: str
    token: str = ""
    is_presigned: bool = False
    expires_s: int = 0
    is_version_two: bool = False

    @property
    def scope(self) -> str:
        """The credential scope, as it is signed."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


class Signed(Struct, frozen=True):
    """The parts of a request that are signed. query: encoded as sent, headers: lower-case names, all there are."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


def parse_stamp(stamp: str) -> datetime | None:
    """The moment of an X-Amz-Date, None if it is none."""
    return _moment(stamp) if len(stamp) == 16 else None


@lru_cache(maxsize=256)
def _moment(stamp: str) -> datetime | None:
    """Kept, because many requests bear the same second."""
    if not _STAMP_FORM.fullmatch(stamp):
        return None
    try:
        return datetime(
            int(stamp[:4]), int(stamp[4:6]), int(stamp[6:8]), int(stamp[9:11]), int(stamp[11:13]), int(stamp[13:15]),
            tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return None


def claim_of_header(value: str, headers: Mapping[str, str]) -> Claim:
    """From an Authorization header. Raises Fault IncompleteSignature in AWS's words."""
    token = headers.get("x-amz-security-token", "")
    stamp = headers.get("x-amz-date", "") or _stamp_of_date(headers.get("date", ""))
    front, _, signature = value.rpartition("Signature=")
    if stamp and len(front) <= _FRONT_CHARACTERS_MAX and signature.isalnum():
        named = _named(front)
        if named is not None:
            return Claim(*named, signature, stamp, token)
    return _claim_of_parts(value, stamp, token)


@lru_cache(maxsize=1024)
def _named(front: str) -> tuple[str, str, str, str, tuple[str, ...]] | None:
    """What an Authorization header says before its signature, which a client repeats all day; None if it is unusual."""
    found = _FRONT.fullmatch(front)
    if found is None:
        return None
    return found[1], found[2], found[3], found[4], tuple(found[5].lower().split(";"))


def _claim_of_parts(value: str, stamp: str, token: str) -> Claim:
    """In any order, and with what is wrong about it told."""
    algorithm, _, rest = value.partition(" ")
    if algorithm == ASYMMETRIC:
        raise Fault("NotImplemented", "Signature Version 4A (AWS4-ECDSA-P256-SHA256) is not supported.", 501)
    if algorithm != ALGORITHM:
        text = f"Unsupported AWS 'algorithm': '{algorithm}' (hashed with SHA-256 and encoded with Base64)."
        raise Fault("IncompleteSignature", text)
    parts = dict(_pair(part) for part in rest.split(","))
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not parts.get(name)]
    texts = [f"Authorization header requires '{name}' parameter." for name in missing]
    if not stamp:
        texts.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if texts:
        texts.append(f"(Hashed with SHA-256 and encoded with Base64) Authorization={algorithm}")
        raise Fault("IncompleteSignature", " ".join(texts))
    access_key, date, region, service = _credential(parts["Credential"])
    signed = tuple(parts["SignedHeaders"].lower().split(";"))
    return Claim(access_key, date, region, service, signed, parts["Signature"], stamp, token)


def claim_of_query(query: Mapping[str, str]) -> Claim:
    """From the parameters of a presigned URL. Raises Fault AuthorizationQueryParametersError."""
    algorithm = query.get("X-Amz-Algorithm", "")
    if algorithm == ASYMMETRIC:
        raise Fault("NotImplemented", "Signature Version 4A (AWS4-ECDSA-P256-SHA256) is not supported.", 501)
    if algorithm != ALGORITHM:
        raise _bad_query('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
    names = ("X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires")
    if not all(query.get(name) for name in names):
        raise _bad_query(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
            "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    expires = query["X-Amz-Expires"]
    if not expires.lstrip("-").isdigit() or not expires.isascii():
        raise _bad_query("X-Amz-Expires should be a number")
    if int(expires) < 0:
        raise _bad_query("X-Amz-Expires must be non-negative")
    if int(expires) > 604800:
        raise _bad_query(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            "604800 seconds"
        )
    try:
        access_key, date, region, service = _credential(query["X-Amz-Credential"])
    except Fault as fault:
        raise _bad_query(
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "
            '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
        ) from fault
    stamp = query["X-Amz-Date"]
    if parse_stamp(stamp) is None:
        raise _bad_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    if not stamp.startswith(date):
        raise _bad_query(f'Invalid credential date "{date}". This date is not the same as X-Amz-Date: "{stamp[:8]}".')
    signed = tuple(query["X-Amz-SignedHeaders"].lower().split(";"))
    token = query.get("X-Amz-Security-Token", "")
    return Claim(access_key, date, region, service, signed, query["X-Amz-Signature"], stamp, token, True, int(expires))


def canonical_request(request: Signed, claim: Claim, payload: str) -> str:
    """The text whose digest is signed. payload: the hex SHA-256 of the body, or what stands for it."""
    is_s3 = claim.service.startswith("s3")
    lines = [
        request.method,
        request.path if is_s3 else _normalised(request.path),
        _canonical_query(request.query, claim.is_presigned) if request.query else "",
    ]
    lines += [f"{name}:{_trimmed(request.headers.get(name, ''))}" for name in claim.signed_headers]
    lines += ["", ";".join(claim.signed_headers), payload]
    return "\n".join(lines)


def string_to_sign(claim: Claim, canonical: str) -> str:
    """What the signing key signs."""
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{ALGORITHM}\n{claim.stamp}\n{claim.scope}\n{digest}"


def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of one day, region and service; callers may keep it."""
    key = hmac.digest(b"AWS4" + secret.encode(), date.encode(), "sha256")
    for part in (region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(key: bytes, text: str) -> str:
    """The signature, in hexadecimal."""
    return hmac.digest(key, text.encode(), "sha256").hex()


def is_same(left: str, right: str) -> bool:
    """Whether two signatures are the same, in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.strip().partition("=")
    return name, value


def _credential(text: str) -> tuple[str, str, str, str]:
    parts = text.split("/")
    if len(parts) < 5 or parts[-1] != "aws4_request" or not re.fullmatch(r"[0-9]{8}", parts[-4]):
        raise Fault("IncompleteSignature", f"Credential must have at least 5 slash-delimited elements, got: '{text}'")
    return "/".join(parts[:-4]), parts[-4], parts[-3], parts[-2]


def _bad_query(text: str) -> Fault:
    return Fault("AuthorizationQueryParametersError", text)


def _stamp_of_date(value: str) -> str:
    if not value:
        return ""
    if parse_stamp(value) is not None:
        return value
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(value).astimezone(UTC).strftime(_STAMP)
    except (ValueError, TypeError):
        return ""


def _trimmed(value: str) -> str:
    value = value.strip()
    return _SPACES.sub(" ", value) if "  " in value else value


def _normalised(path: str) -> str:
    if path == "/":
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts[-1:] = []
        elif part not in ("", "."):
            parts.append(part)
    whole = "/" + "/".join(parts) + ("/" if path.endswith("/") and parts else "")
    return quote(whole, safe="/~-_.")


def _canonical_query(query: str, is_presigned: bool) -> str:
    pairs: list[tuple[str, str]] = []
    for part in query.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        name, value = unquote(name, errors="surrogateescape"), unquote(value, errors="surrogateescape")
        if is_presigned and name == "X-Amz-Signature":
            continue
        pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(text: str) -> str:
    return quote(text, safe="~-_.", errors="surrogateescape")


def header_names(headers: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Lower-case names, values of repeated ones joined by commas, as they are signed."""
    joined: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        joined[lower] = f"{joined[lower]},{value}" if lower in joined else value
    return joined
