"""Groups and who is in them.

Source: IAM API reference, CreateGroup, GetGroup, AddUserToGroup, ListGroupsForUser.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.pages import page, under
from maru.components.aws_iam.api.shapes import group_members, user_members
from maru.components.aws_iam.errors import already_exists, delete_conflict, limit_exceeded
from maru.components.aws_iam.model.documents import User
from maru.components.aws_iam.model.names import check_name, check_path
from maru.contracts.aws_service import AwsCall, AwsOperation, Members

GROUPS_PER_USER_MAX = 10


class Groups:
    """See the module."""

    def __init__(self, book: Book, lookup: Lookup, asker: Asker) -> None:
        self._book = book
        self._lookup = lookup
        self._asker = asker

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        about, group = self._asker.about, self._asker.group
        performs = {
            "CreateGroup": self.create,
            "GetGroup": self.get,
            "UpdateGroup": self.update,
            "DeleteGroup": self.delete,
            "AddUserToGroup": self.add_user,
            "RemoveUserFromGroup": self.remove_user,
        }
        return {
            **{name: AwsOperation(perform, about(name, group)) for name, perform in performs.items()},
            "ListGroups": AwsOperation(self.list_all, self._asker.alone("ListGroups")),
            "ListGroupsForUser": AwsOperation(self.list_of_user, about("ListGroupsForUser", self._asker.user)),
        }

    async def create(self, call: AwsCall) -> Members:
        name = call.parameters["GroupName"]
        check_name("groupName", name)
        path = check_path(call.parameters.get("Path") or "/")
        return {
            "Group": group_members(await self._book.groups.create(call.account, name, {"name": name, "path": path}))
        }

    async def get(self, call: AwsCall) -> Members:
        group = self._lookup.group(call)
        members = [user_members(user) for user in self.members(call.account, group.name)]
        return {"Group": group_members(group), **page("Users", members, call)}

    async def update(self, call: AwsCall) -> Members:
        group = self._lookup.group(call)
        name = call.parameters.get("NewGroupName") or group.name
        path = check_path(call.parameters.get("NewPath") or group.fields.path)
        check_name("groupName", name)
        if name.lower() != group.name.lower() and self._book.groups.find(call.account, name) is not None:
            raise already_exists(f"Group with name {name} already exists.")
        members = self.members(call.account, group.name)
        await self._book.groups.change(group, {"name": name, "path": path})
        for user in members if name != group.name else ():
            groups = [name if one.lower() == group.name.lower() else one for one in user.fields.groups]
            await self._book.users.change(user, {"groups": groups})
        return {}

    async def delete(self, call: AwsCall) -> Members:
        group = self._lookup.group(call)
        if self.members(call.account, group.name):
            raise delete_conflict("Cannot delete entity, must remove users from group first.")
        if group.fields.attached:
            raise delete_conflict("Cannot delete entity, must detach all policies first.")
        if group.fields.policies:
            raise delete_conflict("Cannot delete entity, must delete policies first.")
        await self._book.groups.delete(group)
        return {}

    async def list_all(self, call: AwsCall) -> Members:
        prefix = call.parameters.get("PathPrefix")
        groups = [
            group_members(group) for group in self._book.groups.list(call.account) if under(prefix, group.fields.path)
        ]
        return page("Groups", groups, call)

    async def list_of_user(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        found = [self._book.groups.find(call.account, name) for name in user.fields.groups]
        return page("Groups", [group_members(group) for group in found if group is not None], call)

    async def add_user(self, call: AwsCall) -> Members:
        user, group = self._lookup.user(call), self._lookup.group(call)
        if group.name in user.fields.groups:
            return {}
        if len(user.fields.groups) >= GROUPS_PER_USER_MAX:
            raise limit_exceeded(f"Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER_MAX}")
        await self._book.users.change(user, {"groups": [*user.fields.groups, group.name]})
        return {}

    async def remove_user(self, call: AwsCall) -> Members:
        user, group = self._lookup.user(call), self._lookup.group(call)
        groups = [name for name in user.fields.groups if name.lower() != group.name.lower()]
        if len(groups) != len(user.fields.groups):
            await self._book.users.change(user, {"groups": groups})
        return {}

    def members(self, account: str, group: str) -> list[User]:
        """The users in a group, ascending by name."""
        return [
            user
            for user in self._book.users.list(account)
            if any(name.lower() == group.lower() for name in user.fields.groups)
        ]
