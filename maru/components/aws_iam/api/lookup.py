"""Finds what a call names, in its own account, or says in IAM's words that there is none."""

from __future__ import annotations

from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.errors import invalid_input, no_such, validation
from maru.components.aws_iam.model.documents import Certificate, Device, Group, Profile, Provider, Role, User
from maru.contracts.aws_access import CallerKind
from maru.contracts.aws_service import AwsCall


def own_name(call: AwsCall) -> str:
    """The caller's user name. Raises ValidationError when it is no user."""
    if call.caller.kind is CallerKind.USER:
        return call.caller.arn.rsplit("/", 1)[-1]
    raise validation("Must specify userName when calling with non-User credentials")


class Lookup:
    """Each raises NoSuchEntity."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def user(self, call: AwsCall, name: str | None = None) -> User:
        """The user that UserName names, or the caller."""
        wanted = name or call.parameters.get("UserName") or own_name(call)
        user = self._book.users.find(call.account, wanted)
        if user is None:
            raise no_such(f"The user with name {wanted} cannot be found.")
        return user

    def group(self, call: AwsCall) -> Group:
        """The group that GroupName names."""
        wanted = call.parameters["GroupName"]
        group = self._book.groups.find(call.account, wanted)
        if group is None:
            raise no_such(f"The group with name {wanted} cannot be found.")
        return group

    def role(self, call: AwsCall) -> Role:
        """The role that RoleName names."""
        wanted = call.parameters["RoleName"]
        role = self._book.roles.find(call.account, wanted)
        if role is None:
            raise no_such(f"The role with name {wanted} cannot be found.")
        return role

    def profile(self, call: AwsCall) -> Profile:
        """The instance profile that InstanceProfileName names."""
        wanted = call.parameters["InstanceProfileName"]
        profile = self._book.profiles.find(call.account, wanted)
        if profile is None:
            raise no_such(f"Instance Profile {wanted} cannot be found.")
        return profile

    def device(self, call: AwsCall) -> Device:
        """The virtual MFA device that SerialNumber names."""
        wanted = call.parameters["SerialNumber"]
        device = self._book.devices.find_by_arn(wanted)
        if device is not None and device.account == call.account:
            return device
        raise no_such(f"VirtualMFADevice with serial number {wanted} doesn't exist.")

    def oidc(self, call: AwsCall) -> Provider:
        """The OpenID Connect provider that OpenIDConnectProviderArn names."""
        wanted = call.parameters["OpenIDConnectProviderArn"]
        if ":oidc-provider/" not in wanted:
            raise invalid_input(f"Invalid ARN: {wanted}")
        provider = self.provider(call.account, wanted)
        if provider is None:
            raise no_such(f"OpenIDConnect Provider not found for arn {wanted}")
        return provider

    def saml(self, call: AwsCall) -> Provider:
        """The SAML provider that SAMLProviderArn names."""
        wanted = call.parameters["SAMLProviderArn"]
        provider = self.provider(call.account, wanted)
        if provider is None:
            raise no_such(f"Manifest not found for arn {wanted}")
        return provider

    def provider(self, account: str, arn: str) -> Provider | None:
        """An identity provider by ARN."""
        found = self._book.providers.find_by_arn(arn)
        return found if found is not None and found.account == account else None

    def certificate(self, call: AwsCall) -> Certificate:
        """The server certificate that ServerCertificateName names."""
        wanted = call.parameters["ServerCertificateName"]
        certificate = self._book.certificates.find(call.account, wanted)
        if certificate is None:
            raise no_such(f"The Server Certificate with name {wanted} cannot be found.")
        return certificate
