"""Users. Source: IAM API reference, CreateUser, GetUser, UpdateUser, DeleteUser, ListUsers."""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_iam.api.access_keys import AccessKeys
from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.pages import page, under
from maru.components.aws_iam.api.roles import Roles
from maru.components.aws_iam.api.shapes import user_members
from maru.components.aws_iam.errors import already_exists, delete_conflict
from maru.components.aws_iam.model.documents import User
from maru.components.aws_iam.model.names import check_name, check_path, check_tags
from maru.contracts.aws_access import CallerKind
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value


class Users:
    """See the module."""

    def __init__(self, book: Book, lookup: Lookup, asker: Asker, keys: AccessKeys, roles: Roles) -> None:
        self._book = book
        self._lookup = lookup
        self._asker = asker
        self._keys = keys
        self._roles = roles

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        about, user = self._asker.about, self._asker.user
        return {
            "CreateUser": AwsOperation(self.create, about("CreateUser", user)),
            "GetUser": AwsOperation(self.get, about("GetUser", user)),
            "UpdateUser": AwsOperation(self.update, about("UpdateUser", user)),
            "DeleteUser": AwsOperation(self.delete, about("DeleteUser", user)),
            "ListUsers": AwsOperation(self.list_all, self._asker.alone("ListUsers")),
        }

    async def create(self, call: AwsCall) -> Members:
        given = call.parameters
        name = given["UserName"]
        check_name("userName", name)
        spec: Value = {
            "name": name,
            "path": check_path(given.get("Path") or "/"),
            "tags": check_tags(given.get("Tags")),
            "boundary": self._roles.check_boundary(call, given.get("PermissionsBoundary")),
        }
        return {"User": user_members(await self._book.users.create(call.account, name, spec), with_tags=True)}

    async def get(self, call: AwsCall) -> Members:
        if call.parameters.get("UserName") is None and call.caller.kind is CallerKind.ROOT:
            return {"User": self._root(call)}
        return {"User": user_members(self._lookup.user(call), with_tags=True)}

    async def update(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        given = call.parameters
        name = given.get("NewUserName") or user.name
        path = check_path(given.get("NewPath") or user.fields.path)
        if name == user.name:
            if path != user.fields.path:
                await self._book.users.change(user, {"path": path})
            return {}
        check_name("userName", name)
        if name.lower() != user.name.lower() and self._book.users.find(call.account, name) is not None:
            raise already_exists(f"User with name {name} already exists.")
        await self._book.users.change(user, {"name": name, "path": path})
        for key in self._keys.of(call.account, user.name):
            await self._book.keys.change(key, {"user": name})
        for device in self._book.devices.list(call.account):
            if device.fields.user.lower() == user.name.lower():
                await self._book.devices.change(device, {"user": name})
        return {}

    async def delete(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        self._check_free(user)
        await self._book.users.delete(user)
        await self._keys.uses.forget(user.account, user.id)
        return {}

    async def list_all(self, call: AwsCall) -> Members:
        prefix = call.parameters.get("PathPrefix")
        users = [user_members(user) for user in self._book.users.list(call.account) if under(prefix, user.fields.path)]
        return page("Users", users, call)

    def _check_free(self, user: User) -> None:
        """Raises DeleteConflict, in the order in which IAM finds what is still there."""
        fields = user.fields
        if self._keys.of(user.account, user.name):
            raise delete_conflict("Cannot delete entity, must delete access keys first.")
        if fields.policies:
            raise delete_conflict("Cannot delete entity, must delete policies first.")
        if fields.attached:
            raise delete_conflict("Cannot delete entity, must detach all policies first.")
        if fields.groups:
            raise delete_conflict("Cannot delete entity, must remove users from group first.")
        if fields.login is not None:
            raise delete_conflict("Cannot delete entity, must delete login profile first.")
        if any(device.fields.user.lower() == user.name.lower() for device in self._book.devices.list(user.account)):
            raise delete_conflict("Cannot delete entity, must delete MFA device first.")
        if fields.signing_certificates:
            raise delete_conflict("Cannot delete entity, must delete signing certificates first.")
        if fields.ssh_keys or fields.service_credentials:
            raise delete_conflict("Cannot delete entity, must delete referenced objects first.")

    def _root(self, call: AwsCall) -> Members:
        return {"UserId": call.account, "Arn": call.caller.arn, "CreateDate": self._book.born_at(call.account)}
