"""What an account tells of itself: its MFA devices and its credential report."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from maru.core.errors import AlreadyExists, Conflict, Invalid
from tests.components.aws_iam.conftest import ACCOUNT, ANY_POLICY, Iam


def certificate(iam: Iam) -> str:
    """A self-signed certificate (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signing")])
    now = iam.clock.now()
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=30))
    )
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


async def test_two_devices_of_one_name_stand_under_different_paths(iam: Iam) -> None:
    made = [
        (await iam("CreateVirtualMFADevice", VirtualMFADeviceName="phone", Path=path))["VirtualMFADevice"]
        for path in ("/", "/work/")
    ]
    assert [one["SerialNumber"].split(":", 5)[5] for one in made] == ["mfa/phone", "mfa/work/phone"]
    with pytest.raises(AlreadyExists):
        await iam("CreateVirtualMFADevice", VirtualMFADeviceName="phone", Path="/work/")
    await iam("DeleteVirtualMFADevice", SerialNumber=made[1]["SerialNumber"])
    left = (await iam("ListVirtualMFADevices"))["VirtualMFADevices"]
    assert [one["SerialNumber"] for one in left] == [made[0]["SerialNumber"]]


async def test_a_path_has_no_empty_part(iam: Iam) -> None:
    with pytest.raises(Invalid, match="must begin and end with /"):
        await iam("CreateUser", UserName="ann", Path="/a//b/")


async def test_the_credential_report_tells_of_signing_certificates(iam: Iam) -> None:
    await iam("CreateUser", UserName="ann")
    await iam("UploadSigningCertificate", UserName="ann", CertificateBody=certificate(iam))
    await iam("GenerateCredentialReport")
    report = (await iam("GetCredentialReport"))["Content"].decode()
    ann = next(line for line in report.splitlines() if line.startswith("ann,"))
    first_active, first_rotated, second_active, second_rotated = ann.split(",")[-4:]
    assert (first_active, second_active, second_rotated) == ("true", "false", "N/A")
    assert first_rotated.endswith("+00:00")


async def test_a_service_specific_credential_is_told_once_and_ends(iam: Iam) -> None:
    await iam("CreateUser", UserName="ann")
    service = {"UserName": "ann", "ServiceName": "bedrock.amazonaws.com"}
    key = (await iam("CreateServiceSpecificCredential", **service, CredentialAgeDays=1))["ServiceSpecificCredential"]
    login = (await iam("CreateServiceSpecificCredential", UserName="ann", ServiceName="codecommit.amazonaws.com"))[
        "ServiceSpecificCredential"
    ]
    assert login["ServiceUserName"] == f"ann-at-{ACCOUNT}"
    assert login["ServicePassword"] and key["ServiceCredentialSecret"]
    again = await iam(
        "ResetServiceSpecificCredential",
        UserName="ann",
        ServiceSpecificCredentialId=login["ServiceSpecificCredentialId"],
    )
    assert again["ServiceSpecificCredential"]["ServicePassword"] != login["ServicePassword"]
    iam.clock.jump(86_400)
    listed = (await iam("ListServiceSpecificCredentials", AllUsers=True))["ServiceSpecificCredentials"]
    assert [(one["Status"], one["ServicePassword"]) for one in listed] == [("Expired", None), ("Active", None)]
    with pytest.raises(Conflict):
        await iam("DeleteUser", UserName="ann")
    for one in listed:
        identifier = one["ServiceSpecificCredentialId"]
        await iam("DeleteServiceSpecificCredential", UserName="ann", ServiceSpecificCredentialId=identifier)
    await iam("DeleteUser", UserName="ann")


async def test_a_service_that_knows_no_credentials_of_its_own_is_named(iam: Iam) -> None:
    await iam("CreateUser", UserName="ann")
    with pytest.raises(Invalid, match="does not support"):
        await iam("CreateServiceSpecificCredential", UserName="ann", ServiceName="s3.amazonaws.com")


async def test_the_policies_that_let_a_user_into_a_service_are_told_with_those_of_its_groups(iam: Iam) -> None:
    ann = await iam.user("ann", ANY_POLICY)
    await iam("CreateGroup", GroupName="staff")
    await iam("AttachGroupPolicy", GroupName="staff", PolicyArn="arn:aws:iam::aws:policy/PowerUserAccess")
    await iam("AddUserToGroup", GroupName="staff", UserName="ann")
    answer = await iam(
        "ListPoliciesGrantingServiceAccess", Arn=ann.caller.arn, ServiceNamespaces=["s3", "kms", "organizations"]
    )
    told = {
        one["ServiceNamespace"]: [policy["PolicyName"] for policy in one["Policies"]]
        for one in answer["PoliciesGrantingServiceAccess"]
    }
    assert told == {"s3": ["p", "PowerUserAccess"], "kms": ["PowerUserAccess"], "organizations": ["PowerUserAccess"]}
