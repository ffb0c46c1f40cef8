"""SAML 2.0: the descriptor of an identity provider, and responses that it signed.

Whatever is read of a response is read from what its signature covers, so that nothing wrapped around it counts.
No DTD, entity or network is ever followed.
Source: SAML 2.0 Core, sections 2 and 5.4; SAML 2.0 Metadata, section 2.4; XML Signature.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maru.components.aws_iam.errors import coded, invalid_input

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

_NS: Mapping[str, str] = {
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}
_SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """An identity provider's. certificates: base64 of DER, those it signs with; without any, nothing is its own."""

    entity: str
    certificates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a provider says of somebody. ends: of the conditions and of the confirmation; attributes: by full name."""

    issuer: str
    subject: str
    subject_format: str
    recipient: str
    audiences: tuple[str, ...]
    issued_at: datetime
    begins_at: datetime | None
    ends_at: datetime | None
    attributes: Mapping[str, tuple[str, ...]]


def read_descriptor(text: str) -> Descriptor:
    """Raises InvalidInput."""
    root = _parsed(text.encode())
    if root is None or root.tag != f"{{{_NS['md']}}}EntityDescriptor" or not root.get("entityID"):
        raise invalid_input("Could not parse metadata")
    path = "md:IDPSSODescriptor/md:KeyDescriptor[not(@use) or @use='signing']//ds:X509Certificate/text()"
    return Descriptor(str(root.get("entityID")), tuple("".join(found.split()) for found in _texts(root, path)))


def read_response(encoded: str, descriptor: Descriptor, now: datetime) -> Assertion:
    """The assertion of a response that the provider signed, by a certificate that is valid `now`.

    Raises InvalidIdentityToken.
    """
    try:
        root = _parsed(base64.b64decode(encoded, validate=False).strip())
    except (binascii.Error, ValueError):
        root = None
    if root is None or root.tag != f"{{{_NS['samlp']}}}Response":
        raise _invalid("Invalid base64 SAMLResponse (Service: AWSSecurityTokenService)")
    if _texts(root, "samlp:Status/samlp:StatusCode/@Value")[:1] != [_SUCCESS]:
        raise _invalid("SAML Assertion not successful")
    assertion = _signed(root, descriptor, now)
    try:
        return _read(assertion)
    except (ValueError, IndexError) as error:
        raise _invalid("SAML Assertion is missing a required element") from error


def _signed(root: Element, descriptor: Descriptor, now: datetime) -> Element:
    """The assertion within the bytes that a signature of the provider covers."""
    places = [root, *_elements(root, "saml:Assertion")]
    for place in places:
        if not _elements(place, "ds:Signature"):
            continue
        for certificate in descriptor.certificates:
            covered = _verified(place, certificate, now)
            if covered is None:
                continue
            found = [covered] if covered.tag.endswith("}Assertion") else _elements(covered, "saml:Assertion")
            if covered.tag == place.tag and len(found) == 1:
                return found[0]
    raise _invalid("Response signature invalid")


def _verified(element: Element, certificate: str, now: datetime) -> Element | None:
    """What the signature directly in `element` covers; None if it is not by the certificate's key."""
    from lxml import etree
    from signxml.exceptions import SignXMLException
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    pem = f"-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n"
    try:
        expected = SignatureConfiguration(location="./", verification_time=now)
        result = XMLVerifier().verify(etree.tostring(element), x509_cert=pem, expect_config=expected, id_attribute="ID")
    except (SignXMLException, ValueError, etree.LxmlError):
        return None
    return None if isinstance(result, list) else result.signed_xml


def _read(assertion: Element) -> Assertion:
    confirmation = _elements(assertion, "saml:Subject/saml:SubjectConfirmation/saml:SubjectConfirmationData")[0]
    name = _elements(assertion, "saml:Subject/saml:NameID")[0]
    conditions = _elements(assertion, "saml:Conditions")
    begins = [conditions[0].get("NotBefore")] if conditions else []
    ends = [confirmation.get("NotOnOrAfter"), *(one.get("NotOnOrAfter") for one in conditions)]
    attributes: dict[str, tuple[str, ...]] = {}
    for attribute in _elements(assertion, "saml:AttributeStatement/saml:Attribute"):
        values = tuple("".join(value.itertext()).strip() for value in _elements(attribute, "saml:AttributeValue"))
        key = str(attribute.get("Name", ""))
        attributes[key] = (*attributes.get(key, ()), *values)
    return Assertion(
        _texts(assertion, "saml:Issuer/text()")[0].strip(),
        "".join(name.itertext()).strip(),
        str(name.get("Format") or ""),
        str(confirmation.get("Recipient") or ""),
        tuple(
            text.strip() for text in _texts(assertion, "saml:Conditions/saml:AudienceRestriction/saml:Audience/text()")
        ),
        _moment(str(assertion.get("IssueInstant"))),
        next((_moment(stamp) for stamp in begins if stamp), None),
        min((_moment(stamp) for stamp in ends if stamp), default=None),
        attributes,
    )


def _moment(stamp: str) -> datetime:
    """SAML's times are of UTC, whether they say so or not."""
    moment = datetime.fromisoformat(stamp)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _parsed(text: bytes) -> Element | None:
    from lxml import etree  # only where SAML comes

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(text, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    return None if root.getroottree().docinfo.internalDTD is not None else root


def _elements(element: Element, path: str) -> list[Element]:
    found = element.xpath(path, namespaces=dict(_NS))
    assert isinstance(found, list)
    return found


def _texts(element: Element, path: str) -> list[str]:
    found = element.xpath(path, namespaces=dict(_NS))
    assert isinstance(found, list)
    return [str(one) for one in found]


def _invalid(text: str) -> Exception:
    return coded("InvalidIdentityToken", text)
