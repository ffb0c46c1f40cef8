"""A role is assumed by what a SAML provider signed, and by nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.signer import XMLSigner

from maru.contracts.aws_access import Question
from maru.contracts.aws_service import Members
from maru.core.errors import Denied, MaruError
from tests.components.aws_iam.conftest import ACCOUNT, ANY_POLICY, Iam

ENTITY = "https://idp.example.com/saml"
OWN = "https://aws.amazon.com/SAML/Attributes/"


@dataclass
class IdentityProvider:
    """One that knows how to sign."""

    iam: Iam
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    role: str = f"arn:aws:iam::{ACCOUNT}:role/people"
    provider: str = f"arn:aws:iam::{ACCOUNT}:saml-provider/staff"

    def metadata(self) -> str:
        body = base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()
        return (
            f'<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{ENTITY}"><IDPSSODescriptor '
            'protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing"><KeyInfo '
            f'xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{body}</X509Certificate></X509Data>'
            "</KeyInfo></KeyDescriptor></IDPSSODescriptor></EntityDescriptor>"
        )

    def assertion(self, name: str = "ann", issuer: str = ENTITY) -> str:
        now = self.iam.clock.now()
        attributes = {
            "RoleSessionName": name,
            "Role": f"{self.role},{self.provider}",
            "PrincipalTag:team": "blue",
            "SessionDuration": "900",
        }
        stated = "".join(
            f'<Attribute Name="{OWN}{key}"><AttributeValue>{value}</AttributeValue></Attribute>'
            for key, value in attributes.items()
        )
        return (
            f'<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a" IssueInstant="{now:%Y-%m-%dT%H:%M:%SZ}" '
            f'Version="2.0"><Issuer>{issuer}</Issuer><Subject><NameID '
            f'Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{name}</NameID><SubjectConfirmation '
            'Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><SubjectConfirmationData NotOnOrAfter='
            f'"{now + timedelta(minutes=4):%Y-%m-%dT%H:%M:%SZ}" Recipient="https://signin.aws.amazon.com/saml"/>'
            "</SubjectConfirmation></Subject><Conditions><AudienceRestriction><Audience>urn:amazon:webservices"
            f"</Audience></AudienceRestriction></Conditions><AttributeStatement>{stated}</AttributeStatement></Assertion>"
        )

    def signed(self, **said: str) -> str:
        node = etree.fromstring(self.assertion(**said))
        done = XMLSigner(c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#").sign(
            node, key=self.key, cert=[self.certificate], reference_uri="_a", id_attribute="ID"
        )
        return str(etree.tostring(done), "utf-8")

    async def present(self, *assertions: str) -> Members:
        text = (
            '<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r" Version="2.0"><p:Status><p:StatusCode '
            f'Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></p:Status>{"".join(assertions)}</p:Response>'
        )
        return await self.iam.sts(
            "AssumeRoleWithSAML",
            RoleArn=self.role,
            PrincipalArn=self.provider,
            SAMLAssertion=base64.b64encode(text.encode()).decode(),
        )


@pytest.fixture
async def provider(iam: Iam) -> IdentityProvider:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp")])
    now = iam.clock.now()
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
    )
    made = IdentityProvider(iam, key, built.sign(key, hashes.SHA256()))
    await iam("CreateSAMLProvider", Name="staff", SAMLMetadataDocument=made.metadata())
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": made.provider},
        "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
        "Condition": {"StringEquals": {"saml:aud": "https://signin.aws.amazon.com/saml", "saml:sub": "ann"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    await iam("CreateRole", RoleName="people", AssumeRolePolicyDocument=document)
    await iam("PutRolePolicy", RoleName="people", PolicyName="p", PolicyDocument=ANY_POLICY)
    return made


async def test_a_signed_assertion_is_a_session_of_the_role(iam: Iam, provider: IdentityProvider) -> None:
    answer = await provider.present(provider.signed())
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/people/ann"
    assert (answer["Subject"], answer["SubjectType"], answer["Issuer"]) == ("ann", "persistent", ENTITY)
    keys = answer["Credentials"]
    assert keys["Expiration"] - iam.clock.now() <= timedelta(seconds=900)
    session = iam.acting(keys["AccessKeyId"], keys["SessionToken"])
    assert session.gives.authorizer.decide(session.caller, Question("s3:GetObject"), session.circumstances).allowed
    assert session.caller.session is not None
    assert session.caller.session.tags == {"team": "blue"}


FORGED: list[Callable[[IdentityProvider], tuple[str, ...]]] = [
    lambda idp: (idp.assertion(),),
    lambda idp: (idp.signed().replace("blue", "root"),),
    lambda idp: (idp.assertion(), idp.signed().replace('ID="_a"', 'ID="_b"')),
    lambda idp: (
        f"<!-- x -->{idp.assertion().replace('_a', '_b')}",
        idp.signed().replace("SignatureValue>", "Nothing>"),
    ),
    lambda idp: (idp.signed(issuer="https://elsewhere.example.com"),),
]


@pytest.mark.parametrize("forged", FORGED)
async def test_what_the_provider_did_not_sign_is_refused(
    provider: IdentityProvider, forged: Callable[[IdentityProvider], tuple[str, ...]]
) -> None:
    with pytest.raises(MaruError) as refused:
        await provider.present(*forged(provider))
    assert refused.value.details["code"] == "InvalidIdentityToken"


async def test_an_assertion_wrapped_around_a_signed_one_does_not_count(provider: IdentityProvider) -> None:
    answer = await provider.present(provider.assertion("eve").replace('"_a"', '"_e"'), provider.signed())
    assert answer["Subject"] == "ann"


async def test_an_assertion_is_good_for_five_minutes(iam: Iam, provider: IdentityProvider) -> None:
    signed = provider.signed()
    iam.clock.jump(301)
    with pytest.raises(MaruError) as refused:
        await provider.present(signed)
    assert refused.value.details["code"] == "ExpiredTokenException"


async def test_the_trust_policy_decides_about_whom_it_is_of(provider: IdentityProvider) -> None:
    with pytest.raises(Denied, match="AssumeRoleWithSAML"):
        await provider.present(provider.signed(name="bob"))
