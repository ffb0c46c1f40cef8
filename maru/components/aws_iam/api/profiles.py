"""Instance profiles. Source: IAM API reference, CreateInstanceProfile, AddRoleToInstanceProfile."""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.pages import page, under
from maru.components.aws_iam.api.shapes import profile_members
from maru.components.aws_iam.errors import already_exists, delete_conflict, limit_exceeded, no_such
from maru.components.aws_iam.model.documents import Profile
from maru.components.aws_iam.model.names import check_name, check_path, check_tags
from maru.contracts.aws_service import AwsCall, AwsOperation, Members


class Profiles:
    """See the module."""

    def __init__(self, book: Book, lookup: Lookup, asker: Asker) -> None:
        self._book = book
        self._lookup = lookup
        self._asker = asker

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        performs = {
            "CreateInstanceProfile": self.create,
            "GetInstanceProfile": self.get,
            "DeleteInstanceProfile": self.delete,
            "AddRoleToInstanceProfile": self.add_role,
            "RemoveRoleFromInstanceProfile": self.remove_role,
        }
        about, asker = self._asker.about, self._asker
        return {
            **{name: AwsOperation(perform, about(name, asker.profile)) for name, perform in performs.items()},
            "ListInstanceProfiles": AwsOperation(self.list_all, asker.alone("ListInstanceProfiles")),
            "ListInstanceProfilesForRole": AwsOperation(
                self.list_for_role, about("ListInstanceProfilesForRole", asker.role)
            ),
        }

    async def create(self, call: AwsCall) -> Members:
        name = call.parameters["InstanceProfileName"]
        check_name("instanceProfileName", name)
        if self._book.profiles.find(call.account, name) is not None:
            raise already_exists(f"Instance Profile {name} already exists.")
        path = check_path(call.parameters.get("Path") or "/")
        spec = {"name": name, "path": path, "tags": check_tags(call.parameters.get("Tags"))}
        members = self.members(await self._book.profiles.create(call.account, name, spec))
        members["Tags"] = members["Tags"] or None
        return {"InstanceProfile": members}

    async def get(self, call: AwsCall) -> Members:
        return {"InstanceProfile": self.members(self._lookup.profile(call))}

    async def delete(self, call: AwsCall) -> Members:
        profile = self._lookup.profile(call)
        if profile.fields.roles:
            raise delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
        await self._book.profiles.delete(profile)
        return {}

    async def add_role(self, call: AwsCall) -> Members:
        profile, role = self._lookup.profile(call), self._lookup.role(call)
        if profile.fields.roles:
            raise limit_exceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
        await self._book.profiles.change(profile, {"roles": [role.name]})
        return {}

    async def remove_role(self, call: AwsCall) -> Members:
        profile, role = self._lookup.profile(call), self._lookup.role(call)
        if role.name not in profile.fields.roles:
            raise no_such(f"Role {role.name} is not in instance profile {profile.name}.")
        await self._book.profiles.change(profile, {"roles": []})
        return {}

    async def list_all(self, call: AwsCall) -> Members:
        prefix = call.parameters.get("PathPrefix")
        profiles = [
            self.members(one, with_tags=False)
            for one in self._book.profiles.list(call.account)
            if under(prefix, one.fields.path)
        ]
        return page("InstanceProfiles", profiles, call)

    async def list_for_role(self, call: AwsCall) -> Members:
        role = self._lookup.role(call)
        profiles = [
            self.members(one, with_tags=False)
            for one in self._book.profiles.list(call.account)
            if role.name in one.fields.roles
        ]
        return page("InstanceProfiles", profiles, call)

    def members(self, profile: Profile, *, with_tags: bool = True) -> Members:
        """An InstanceProfile with its role."""
        found = [self._book.roles.find(profile.account, name) for name in profile.fields.roles]
        return profile_members(profile, [role for role in found if role is not None], with_tags=with_tags)
