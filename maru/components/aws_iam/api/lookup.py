"""Finds what a call names, in its own account, or says in IAM's words that there is none."""

from __future__ import annotations

from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.errors import no_such, validation
from maru.components.aws_iam.model.documents import Group, Profile, Role, User
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
