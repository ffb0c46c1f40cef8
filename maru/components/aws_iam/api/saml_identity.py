"""Assuming a role by a response of a SAML identity provider.

Source: STS API reference, AssumeRoleWithSAML; IAM User Guide, "Configure SAML assertions for the authentication
response", "Available keys for SAML-based AWS STS federation", "Troubleshoot SAML federation".
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from maru.components.aws_iam.api.assuming import Assuming, Sessions, Wish
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.engine.saml import Assertion, read_descriptor, read_response
from maru.components.aws_iam.errors import access_denied, coded
from maru.components.aws_iam.model.documents import Provider
from maru.components.aws_iam.model.durations import role_duration_s, role_named
from maru.contracts.aws_access import ANONYMOUS, Fact
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.errors import MaruError

_ACTION = "sts:AssumeRoleWithSAML"
_OWN = "https://aws.amazon.com/SAML/Attributes/"
_ENDPOINT = re.compile(
    r"https://([a-z0-9-]+\.)*signin\.(aws\.amazon\.com|amazonaws\.cn|amazonaws-us-gov\.com)/saml(/acs/[\w-]+)?"
)
_AUDIENCE = "urn:amazon:webservices"
_SESSION_NAME = re.compile(r"[a-zA-Z0-9_+=,.@-]{2,64}")
_FORMATS = re.compile(r"urn:oasis:names:tc:SAML:[12]\.[01]:nameid-format:")
_FRESH = timedelta(minutes=5)
_KEYS: Mapping[str, Sequence[str]] = {
    "saml:cn": ("urn:oid:2.5.4.3", "cn"),
    "saml:commonName": ("urn:oid:2.5.4.3", "commonName"),
    "saml:givenName": ("urn:oid:2.5.4.42", "givenName"),
    "saml:surname": ("urn:oid:2.5.4.4", "surname"),
    "saml:mail": ("urn:oid:0.9.2342.19200300.100.1.3", "mail"),
    "saml:name": ("urn:oid:2.5.4.41", "name"),
    "saml:organizationStatus": ("urn:oid:0.9.2342.19200300.100.1.45", "organizationStatus"),
    "saml:uid": ("urn:oid:0.9.2342.19200300.100.1.1", "uid"),
    "saml:x500UniqueIdentifier": ("urn:oid:2.5.4.45", "x500UniqueIdentifier"),
    "saml:eduPersonAffiliation": ("urn:oid:1.3.6.1.4.1.5923.1.1.1.1",),
    "saml:eduPersonNickname": ("urn:oid:1.3.6.1.4.1.5923.1.1.1.2",),
    "saml:eduPersonOrgDN": ("urn:oid:1.3.6.1.4.1.5923.1.1.1.3",),
    "saml:eduPersonOrgUnitDN": ("urn:oid:1.3.6.1.4.1.5923.1.1.1.4",),
    "saml:eduPersonPrimaryAffiliation": ("urn:oid:1.3.6.1.4.1.5923.1.1.1.5",),
    "saml:eduPersonPrincipalName": ("urn:oid:1.3.6.1.4.1.5923.1.1.1.6",),
    "saml:eduPersonEntitlement": ("urn:oid:1.3.6.1.4.1.5923.1.1.1.7",),
    "saml:eduPersonPrimaryOrgUnitDN": ("urn:oid:1.3.6.1.4.1.5923.1.1.1.8",),
    "saml:eduPersonScopedAffiliation": ("urn:oid:1.3.6.1.4.1.5923.1.1.1.9",),
    "saml:eduPersonTargetedID": ("urn:oid:1.3.6.1.4.1.5923.1.1.1.10",),
    "saml:eduPersonAssurance": ("urn:oid:1.3.6.1.4.1.5923.1.1.1.11",),
}
"""Condition keys, and the attributes that they may come in."""


class SamlIdentity:
    """See the module."""

    def __init__(self, book: Book, sessions: Sessions, assuming: Assuming) -> None:
        self._book = book
        self._sessions = sessions
        self._assuming = assuming

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name; the assertion, not a signature of the request, says who asks."""
        return {"AssumeRoleWithSAML": AwsOperation(self.assume)}

    async def assume(self, call: AwsCall) -> Members:
        given = call.parameters
        account, name = role_named(given["RoleArn"])
        provider = self._book.providers.find_by_arn(given["PrincipalArn"])
        if provider is None or provider.fields.kind != "saml" or provider.account != account:
            raise access_denied(f"Not authorized to perform {_ACTION}")
        try:
            descriptor = read_descriptor(provider.fields.metadata)
        except MaruError as error:
            raise coded("InvalidIdentityToken", "Response signature invalid") from error
        now = self._book.tools.clock.now()
        assertion = await asyncio.to_thread(read_response, given["SAMLAssertion"], descriptor, now)
        if assertion.issuer != descriptor.entity:
            raise coded("InvalidIdentityToken", "Issuer not present in specified provider")
        _check(assertion, now)
        role = self._book.roles.find(account, name)
        if role is None or role.arn != given["RoleArn"] or not _offers(assertion, role.arn, provider.arn):
            raise access_denied(f"Not authorized to perform {_ACTION}")
        narrowing = self._sessions.narrowing({**given, **_tags(assertion)}, account)
        source = _first(assertion, f"{_OWN}SourceIdentity")
        facts = _facts(provider, assertion)
        wish = Wish(role, _session_name(assertion), narrowing, source, provider=provider.arn, provider_facts=facts)
        self._assuming.require_vouched(call, wish, _ACTION)
        answer = self._assuming.session(wish, self._duration_s(given, assertion, role.fields.max_session_s))
        return {
            **answer,
            "Subject": assertion.subject,
            "SubjectType": facts["saml:sub_type"],
            "Issuer": assertion.issuer,
            "Audience": assertion.recipient,
            "NameQualifier": facts["saml:namequalifier"],
        }

    def _duration_s(self, given: Members, assertion: Assertion, role_max_s: int) -> int:
        """The shorter of what the request and the assertion want."""
        said = _first(assertion, f"{_OWN}SessionDuration")
        if said and not said.isdigit():
            raise coded("InvalidIdentityToken", "SessionDuration must be a number of seconds")
        wishes = [int(one) for one in (given.get("DurationSeconds"), said) if one]
        return role_duration_s(min(wishes, default=None), role_max_s, ANONYMOUS)


def _check(assertion: Assertion, now: datetime) -> None:
    """It is for AWS, and for now."""
    if not _ENDPOINT.fullmatch(assertion.recipient):
        raise coded("InvalidIdentityToken", "Recipient in the response is not an AWS sign-in endpoint")
    if not any(one == _AUDIENCE or _ENDPOINT.fullmatch(one) for one in assertion.audiences):
        raise coded("InvalidIdentityToken", "Audience in the response is not valid for AWS")
    if now - assertion.issued_at > _FRESH:
        raise coded("ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance")
    if assertion.ends_at is not None and now >= assertion.ends_at:
        raise coded("ExpiredTokenException", "Response has expired")
    early = max(filter(None, (assertion.begins_at, assertion.issued_at)))
    if early - now > _FRESH:
        raise coded("InvalidIdentityToken", "Response is not valid yet")


def _offers(assertion: Assertion, role_arn: str, provider_arn: str) -> bool:
    """Whether a value of the Role attribute is the pair, in either order."""
    pairs = [{part.strip() for part in value.split(",")} for value in assertion.attributes.get(f"{_OWN}Role", ())]
    return {role_arn, provider_arn} in pairs


def _session_name(assertion: Assertion) -> str:
    name = _first(assertion, f"{_OWN}RoleSessionName")
    if not name:
        raise coded("InvalidIdentityToken", "RoleSessionName is required in AuthnResponse")
    if not _SESSION_NAME.fullmatch(name):
        raise coded("InvalidIdentityToken", "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
    return name


def _tags(assertion: Assertion) -> Members:
    """Session tags as an AssumeRole request has them."""
    prefix = f"{_OWN}PrincipalTag:"
    tags = [
        {"Key": name.removeprefix(prefix), "Value": values[0]}
        for name, values in assertion.attributes.items()
        if name.startswith(prefix) and values
    ]
    return {"Tags": tags, "TransitiveTagKeys": list(assertion.attributes.get(f"{_OWN}TransitiveTagKeys", ()))}


def _facts(provider: Provider, assertion: Assertion) -> dict[str, Fact]:
    qualified = f"{assertion.issuer}{provider.account}/{provider.name}".encode()
    facts: dict[str, Fact] = {
        "saml:aud": assertion.recipient,
        "saml:doc": f"{provider.account}/{provider.name}",
        "saml:iss": assertion.issuer,
        "saml:namequalifier": base64.b64encode(hashlib.sha1(qualified, usedforsecurity=False).digest()).decode(),
        "saml:sub": assertion.subject,
        "saml:sub_type": _FORMATS.sub("", assertion.subject_format),
    }
    for key, names in _KEYS.items():
        found = tuple(value for name in names for value in assertion.attributes.get(name, ()))
        if found:
            facts[key] = found
    return facts


def _first(assertion: Assertion, name: str) -> str:
    return next(iter(assertion.attributes.get(name, ())), "")
