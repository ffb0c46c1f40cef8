"""Who signed a request: the claim is checked against the key's secret, the clock and the service.

Signing keys are kept, as SDKs do too: making one takes four HMACs, and it holds for a day.
Source: IAM User Guide, "Troubleshoot signed requests"; S3 API reference, "Authenticating Requests".
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from maru.components.aws_front.api.head import Head
from maru.components.aws_front.api.hosts import read_host
from maru.contracts.aws_access import AwsCaller, AwsCredentials, Credential
from maru.core.errors import Unauthenticated
from maru.wire.aws import signature_two
from maru.wire.aws.faults import Fault
from maru.wire.aws.signature import (
    EMPTY_SHA256,
    UNSIGNED,
    Claim,
    Signed,
    canonical_request,
    claim_of_header,
    claim_of_query,
    is_same,
    parse_stamp,
    sign,
    signing_key,
    string_to_sign,
)

KEYS_MAX = 1024
DEFAULT_REGION = "us-east-1"  # where SigV2, which names none, counts as used
_OF_SIGNATURE = frozenset(
    f"x-amz-{name}" for name in ("algorithm", "credential", "date", "expires", "signature", "signedheaders")
)
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
MISMATCH_S3 = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)


class Established:
    """A verified claim. key: the signing key, with which chunks are verified."""

    __slots__ = ("caller", "claim", "key")

    def __init__(self, caller: AwsCaller, claim: Claim, key: bytes) -> None:
        self.caller = caller
        self.claim = claim
        self.key = key


class Signatures:
    """skew_s: how far a signature's time may lie from ours; timeless: access keys whose signatures are of any time."""

    def __init__(self, credentials: AwsCredentials, skew_s: int, timeless: Collection[str] = ()) -> None:
        self._credentials = credentials
        self._timeless = timeless
        self._skew_s = skew_s
        self._skew = timedelta(seconds=skew_s)
        self._keys: dict[tuple[str, str, str, str], bytes] = {}

    def claim(self, head: Head) -> Claim | None:
        """What the request says it is signed with; None for an unsigned one. Raises Fault."""
        authorization = head.headers.get("authorization")
        if authorization is not None:
            if "X-Amz-Algorithm" in head.parameters and "X-Amz-Signature" in head.parameters:
                raise Fault(
                    "InvalidArgument",
                    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
                    "parameter or the Authorization header should be specified",
                    members={"ArgumentName": "Authorization", "ArgumentValue": authorization},
                )
            if authorization.startswith(signature_two.SCHEME):
                return signature_two.claim_of_header(authorization, head.headers)
            return claim_of_header(authorization, head.headers)
        if "X-Amz-Algorithm" in head.parameters or "X-Amz-Credential" in head.parameters:
            return claim_of_query(head.parameters)
        if signature_two.is_claimed(head.parameters):
            return signature_two.claim_of_query(head.parameters)
        return None

    def verify(self, head: Head, claim: Claim, payload: str, now: datetime) -> Established:
        """The caller. Raises Fault, or Unauthenticated for a key that is not there."""
        if claim.is_version_two:
            return self._verify_two(head, claim, now)
        self._check_time(claim, now)
        credential = self._credential(claim)
        self._check_headers(head, claim)
        key = self._key(credential, claim)
        canonical = canonical_request(Signed(head.method, head.path, head.query, head.headers), claim, payload)
        text = string_to_sign(claim, canonical)
        if not is_same(sign(key, text), claim.signature):
            raise _mismatch(claim, text, canonical)
        self._credentials.used(credential.caller, claim.service, claim.region, now)
        return Established(credential.caller, claim, key)

    def _verify_two(self, head: Head, claim: Claim, now: datetime) -> Established:
        if claim.is_presigned:
            self._check_end(datetime.fromtimestamp(claim.expires_s, UTC), now, {})
        else:
            moment = signature_two.moment_of(claim.stamp)
            if moment is None:
                raise Fault("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header", 403)
            if abs(now - moment) > timedelta(seconds=self._skew_s):
                raise self._too_skewed(claim, now)
        credential = self._credential(claim)
        request = Signed(head.method, head.path, head.query, {**hoisted(head), **head.headers})
        texts = signature_two.strings_to_sign(request, claim, read_host(head.host).bucket)
        if not any(is_same(signature_two.sign(credential.secret, text), claim.signature) for text in texts):
            raise _mismatch(claim, texts[0], "")
        self._credentials.used(credential.caller, "s3", claim.region or DEFAULT_REGION, now)
        return Established(credential.caller, claim, b"")

    def _credential(self, claim: Claim) -> Credential:
        try:
            return self._credentials.find(claim.access_key, claim.token)
        except Unauthenticated as error:
            if claim.service.startswith("s3") and error.details.get("code") == "InvalidClientTokenId":
                error.details["members"] = {"AWSAccessKeyId": claim.access_key}
            raise

    def _key(self, credential: Credential, claim: Claim) -> bytes:
        place = (credential.secret, claim.date, claim.region, claim.service)
        key = self._keys.get(place)
        if key is None:
            if len(self._keys) >= KEYS_MAX:
                self._keys.clear()
            key = self._keys[place] = signing_key(*place)
        return key

    def _check_time(self, claim: Claim, now: datetime) -> None:
        moment = parse_stamp(claim.stamp)
        if moment is None:
            raise Fault("IncompleteSignature", f"Date must be in ISO-8601 'basic format'. Got '{claim.stamp}'.")
        if claim.stamp[:8] != claim.date:
            text = (
                f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
                f"'{claim.date}' != '{claim.stamp[:8]}', from '{claim.stamp}'."
            )
            raise Fault("SignatureDoesNotMatch", text, 403)
        is_s3 = claim.service.startswith("s3")
        if claim.is_presigned:
            self._check_expiry(claim, moment, now, is_s3)
            return
        skew = self._skew
        if -skew <= now - moment <= skew or claim.access_key in self._timeless:
            return
        if is_s3:
            raise self._too_skewed(claim, now)
        minutes = self._skew_s // 60
        if moment < now:
            edge, word = now - skew, f"Signature expired: {claim.stamp} is now earlier than"
            sign_of = "-"
        else:
            edge, word = now + skew, f"Signature not yet current: {claim.stamp} is still later than"
            sign_of = "+"
        text = f"{word} {edge:%Y%m%dT%H%M%SZ} ({now:%Y%m%dT%H%M%SZ} {sign_of} {minutes} min.)"
        raise Fault("SignatureDoesNotMatch", text, 403)

    def _check_expiry(self, claim: Claim, moment: datetime, now: datetime, is_s3: bool) -> None:
        ends = moment + timedelta(seconds=claim.expires_s)
        if moment > now + timedelta(seconds=self._skew_s):
            raise Fault("AccessDenied" if is_s3 else "SignatureDoesNotMatch", "Request is not valid yet", 403)
        if now > ends:
            if not is_s3:
                text = f"Signature expired: {claim.stamp} is now earlier than {now:%Y%m%dT%H%M%SZ}"
                raise Fault("SignatureDoesNotMatch", text, 403)
            self._check_end(ends, now, {"X-Amz-Expires": claim.expires_s})

    def _check_end(self, ends: datetime, now: datetime, members: dict[str, object]) -> None:
        """Of a presigned URL of S3."""
        if now > ends:
            told = {"Expires": f"{ends:%Y-%m-%dT%H:%M:%SZ}", "ServerTime": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
            raise Fault("AccessDenied", "Request has expired", 403, {**members, **told})

    def _too_skewed(self, claim: Claim, now: datetime) -> Fault:
        members = {
            "RequestTime": claim.stamp,
            "ServerTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "MaxAllowedSkewMilliseconds": self._skew_s * 1000,
        }
        text = "The difference between the request time and the current time is too large."
        return Fault("RequestTimeTooSkewed", text, 403, members)

    def _check_headers(self, head: Head, claim: Claim) -> None:
        """Host, and every x-amz- header that is there, must be signed."""
        signed = claim.signed_headers
        if "host" not in signed and ":authority" not in signed:
            raise Fault(
                "SignatureDoesNotMatch",
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
                403,
            )
        if not claim.service.startswith("s3"):
            return
        unsigned = [name for name in head.headers if name.startswith("x-amz-") and name not in signed]
        if unsigned:
            members = {"HeadersNotSigned": ", ".join(unsigned)}
            raise Fault("AccessDenied", "There were headers present in the request which were not signed", 403, members)


def payload_of(head: Head, claim: Claim) -> str:
    """S3: the digest that was signed, as the client says it."""
    said = head.headers.get("x-amz-content-sha256", "")
    if claim.is_version_two:
        return said or UNSIGNED
    if claim.is_presigned:
        return said or head.parameters.get("X-Amz-Content-Sha256", UNSIGNED)
    if not said:
        raise Fault("MissingSecurityHeader", "Missing required header for this request: x-amz-content-sha256")
    return said


def hoisted(head: Head) -> dict[str, str]:
    """The headers that stand in the query of a presigned URL, by lower-case name, as S3 takes them."""
    pairs = ((name.lower(), value) for name, value in head.parameters.items())
    return {name: value for name, value in pairs if name.startswith("x-amz-") and name not in _OF_SIGNATURE}


def digest_of(body: bytes) -> str:
    """The hexadecimal SHA-256 of a body."""
    return hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256


def _mismatch(claim: Claim, text: str, canonical: str) -> Fault:
    if not claim.service.startswith("s3"):
        return Fault("SignatureDoesNotMatch", _MISMATCH, 403)
    members: dict[str, object] = {
        "AWSAccessKeyId": claim.access_key,
        "StringToSign": text,
        "SignatureProvided": claim.signature,
        "StringToSignBytes": text.encode("utf-8", "replace").hex(" "),
    }
    if canonical:
        members["CanonicalRequest"] = canonical
        members["CanonicalRequestBytes"] = canonical.encode("utf-8", "replace").hex(" ")
    return Fault("SignatureDoesNotMatch", MISMATCH_S3, 403, members)
