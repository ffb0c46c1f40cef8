"""From core/errors and faults of the wire to what each family of services calls them.

The same refusal has three names: services over JSON say UnrecognizedClientException where the query
services say InvalidClientTokenId and S3 says InvalidAccessKeyId.
Source: AWS "Common errors" of KMS, IAM and STS; S3 API reference, "Error responses".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from maru.core import errors
from maru.core.errors import Invalid, MaruError
from maru.wire.aws.faults import Fault
from maru.wire.aws.shapes import ServiceModel

JSON, QUERY, S3 = "json", "query", "s3"

SECURITY_TOKEN = "The security token included in the request is"  # noqa: S105 - a text, no token


@dataclass(frozen=True, slots=True)
class Name:
    """What one family calls it. text: in place of the fault's own, if any."""

    code: str
    status: int
    text: str = ""


_NAMES: Mapping[str, Mapping[str, Name]] = {
    "InvalidClientTokenId": {
        JSON: Name("UnrecognizedClientException", 400, f"{SECURITY_TOKEN} invalid."),
        QUERY: Name("InvalidClientTokenId", 403, f"{SECURITY_TOKEN} invalid."),
        S3: Name("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
    },
    "ExpiredToken": {
        JSON: Name("ExpiredTokenException", 400, f"{SECURITY_TOKEN} expired"),
        QUERY: Name("ExpiredToken", 403, f"{SECURITY_TOKEN} expired"),
        S3: Name("ExpiredToken", 400, "The provided token has expired."),
    },
    "SignatureDoesNotMatch": {
        JSON: Name("InvalidSignatureException", 400),
        QUERY: Name("SignatureDoesNotMatch", 403),
        S3: Name("SignatureDoesNotMatch", 403),
    },
    "MissingAuthenticationToken": {
        JSON: Name("MissingAuthenticationTokenException", 400),
        QUERY: Name("MissingAuthenticationToken", 403),
        S3: Name("AccessDenied", 403, "Access Denied"),
    },
    "IncompleteSignature": {
        JSON: Name("IncompleteSignatureException", 400),
        QUERY: Name("IncompleteSignature", 400),
        S3: Name("AuthorizationHeaderMalformed", 400),
    },
    "AuthorizationQueryParametersError": {
        JSON: Name("IncompleteSignatureException", 400),
        QUERY: Name("IncompleteSignature", 400),
        S3: Name("AuthorizationQueryParametersError", 400),
    },
    "AccessDeniedException": {
        JSON: Name("AccessDeniedException", 400),
        QUERY: Name("AccessDenied", 403),
        S3: Name("AccessDenied", 403),
    },
    "ValidationException": {
        JSON: Name("ValidationException", 400),
        QUERY: Name("ValidationError", 400),
        S3: Name("InvalidArgument", 400),
    },
    "UnknownOperation": {
        JSON: Name("UnknownOperationException", 400),
        QUERY: Name("InvalidAction", 400),
        S3: Name("MethodNotAllowed", 405),
    },
    "NotImplemented": {
        JSON: Name("UnknownOperationException", 501),
        QUERY: Name("NotImplemented", 501),
        S3: Name("NotImplemented", 501),
    },
    "Throttled": {
        JSON: Name("ThrottlingException", 400, "Rate exceeded"),
        QUERY: Name("Throttling", 400, "Rate exceeded"),
        S3: Name("SlowDown", 503, "Please reduce your request rate."),
    },
    "TooLarge": {
        JSON: Name("RequestEntityTooLargeException", 413),
        QUERY: Name("RequestEntityTooLarge", 413),
        S3: Name("MaxMessageLengthExceeded", 400, "Your request was too big."),
    },
    "IncompleteBody": {
        JSON: Name("SerializationException", 400),
        QUERY: Name("IncompleteBody", 400),
        S3: Name("IncompleteBody", 400),
    },
    "RequestTimeout": {
        JSON: Name("RequestTimeoutException", 400),
        QUERY: Name("RequestTimeout", 400),
        S3: Name("RequestTimeout", 400),
    },
    "Unavailable": {
        JSON: Name("ServiceUnavailableException", 503),
        QUERY: Name("ServiceUnavailable", 503),
        S3: Name("ServiceUnavailable", 503),
    },
    "InternalFailure": {
        JSON: Name("InternalFailure", 500),
        QUERY: Name("InternalFailure", 500),
        S3: Name("InternalError", 500, "We encountered an internal error. Please try again."),
    },
}

_CLASSES: tuple[tuple[type[MaruError], str], ...] = (
    (errors.Unauthenticated, "InvalidClientTokenId"),
    (errors.Denied, "AccessDeniedException"),
    (errors.TooLarge, "TooLarge"),
    (errors.Throttled, "Throttled"),
    (errors.Unavailable, "Unavailable"),
    (errors.Deadline, "RequestTimeout"),
    (errors.NotSupported, "NotImplemented"),
    (errors.Broken, "InternalFailure"),
    (errors.Invalid, "ValidationException"),
)


def family(service: ServiceModel) -> str:
    """How the service names what is common to all."""
    if service.protocol in ("json", "rest-json"):
        return JSON
    return S3 if service.protocol == "rest-xml" else QUERY


def fault_of(error: MaruError) -> Fault:
    """What a service raised, as the wire has it; headers it wants sent stay in the error's details."""
    details = error.details
    code = details.get("code")
    if code is None:
        code = next((name for kind, name in _CLASSES if isinstance(error, kind)), "InternalFailure")
        return Fault(code, str(error), 400, details.get("members"))
    return Fault(str(code), error.what, _status(error), details.get("members"))


def _status(error: MaruError) -> int:
    given = error.details.get("status")
    if given is not None:
        return int(given)
    if isinstance(error, errors.Unavailable):
        return 503
    if isinstance(error, errors.Broken):
        return 500
    return 501 if isinstance(error, errors.NotSupported) and error.details.get("code") == "NotImplemented" else 400


def named(fault: Fault, service: ServiceModel) -> Fault:
    """The fault as the service's family calls it; what the service's own model knows stays as it is."""
    if service.error(fault.code) is not None and fault.code not in ("ExpiredTokenException",):
        return fault
    if fault.code == "ValidationException" and service.name == "organizations":
        return _invalid_input(fault)
    if fault.code == "ValidationException" and service.name == "iam":
        fault = _in_the_words_of_iam(fault)
    name = _NAMES.get(fault.code, {}).get(family(service))
    if name is None:
        return fault
    return Fault(name.code, name.text or fault.text, name.status, fault.members)


_REASONS = (
    ("enum value set", "INVALID_ENUM"),
    ("regular expression", "INVALID_PATTERN"),
    ("length greater", "MIN_LENGTH_EXCEEDED"),
    ("length less", "MAX_LENGTH_EXCEEDED"),
    ("value greater", "MIN_VALUE_EXCEEDED"),
    ("value less", "MAX_VALUE_EXCEEDED"),
    ("must not be null", "INPUT_REQUIRED"),
)


def _invalid_input(fault: Fault) -> Fault:
    """A broken constraint as AWS Organizations tells it: by its reason alone.

    Source: AWS Organizations API reference, InvalidInputException.
    """
    reason = next((reason for words, reason in _REASONS if words in fault.text), "INVALID_PATTERN")
    text = "You specified an invalid value."
    if "'resourceId'" in fault.text:  # of the tag operations
        text = "You provided a value that does not match the required pattern."
    return Fault("InvalidInputException", text, 400, {"Reason": reason})


_BROKEN_PATTERN = re.compile(
    r"1 validation error detected: Value '.*' at '(\w+)' failed to satisfy constraint: "
    r"Member must satisfy regular expression pattern: .*",
    re.DOTALL,
)


def _in_the_words_of_iam(fault: Fault) -> Fault:
    """A path or name of the wrong letters, as IAM tells it: what is allowed, not the pattern."""
    broken = _BROKEN_PATTERN.fullmatch(fault.text)
    where = broken.group(1) if broken is not None else ""
    if where in ("path", "newPath"):
        must = "begin and end with / and contain only alphanumeric characters and/or / characters."
    elif where in ("userName", "groupName", "roleName", "policyName", "instanceProfileName", "serverCertificateName"):
        must = "contain only alphanumeric characters and/or the following: +=,.@_-"
    else:
        return fault
    return Fault(fault.code, f"The specified value for {where} is invalid. It must {must}", fault.status)


def refused(fault: Fault) -> Invalid:
    """A fault found while a service reads its body, as an error that services let pass."""
    return Invalid(what=fault.text, why="", code=fault.code, status=fault.status, members=fault.members)
