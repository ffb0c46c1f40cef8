"""Roles, and boundaries of roles and users.

Source: IAM API reference, CreateRole, UpdateRole, UpdateAssumeRolePolicy, PutRolePermissionsBoundary.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.last_uses import LastUses
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.managed import Managed
from maru.components.aws_iam.api.pages import page, under
from maru.components.aws_iam.api.shapes import role_members
from maru.components.aws_iam.errors import delete_conflict, invalid_input, no_such, unmodifiable, validation
from maru.components.aws_iam.model.documents import Role
from maru.components.aws_iam.model.grammar import check_trust
from maru.components.aws_iam.model.names import check_name, check_path, check_tags
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value

SESSION_S_MIN, SESSION_S_MAX = 3600, 43200
LINKED_PATH = "/aws-service-role/"


class Roles:
    """See the module."""

    def __init__(self, book: Book, lookup: Lookup, asker: Asker, managed: Managed, uses: LastUses) -> None:
        self._book = book
        self._lookup = lookup
        self._asker = asker
        self._managed = managed
        self._uses = uses

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        about, role = self._asker.about, self._asker.role
        performs = {
            "CreateRole": self.create,
            "GetRole": self.get,
            "UpdateRole": self.update,
            "UpdateRoleDescription": self.update_description,
            "UpdateAssumeRolePolicy": self.update_trust,
            "DeleteRole": self.delete,
            "PutRolePermissionsBoundary": self.put_role_boundary,
            "DeleteRolePermissionsBoundary": self.delete_role_boundary,
        }
        user = self._asker.user
        of_user = {
            "PutUserPermissionsBoundary": self.put_user_boundary,
            "DeleteUserPermissionsBoundary": self.delete_user_boundary,
        }
        return {
            **{name: AwsOperation(perform, about(name, role)) for name, perform in performs.items()},
            **{name: AwsOperation(perform, about(name, user)) for name, perform in of_user.items()},
            "ListRoles": AwsOperation(self.list_all, self._asker.alone("ListRoles")),
        }

    async def create(self, call: AwsCall) -> Members:
        given = call.parameters
        name = given["RoleName"]
        check_name("roleName", name)
        path = check_path(given.get("Path") or "/")
        if path.startswith(LINKED_PATH):
            raise invalid_input("You cannot create a role with a path that begins with /aws-service-role/.")
        check_trust(given["AssumeRolePolicyDocument"])
        spec: Value = {
            "name": name,
            "path": path,
            "trust": given["AssumeRolePolicyDocument"],
            "maxSessionS": _session_s(given.get("MaxSessionDuration")),
            "boundary": self.check_boundary(call, given.get("PermissionsBoundary")),
            "tags": check_tags(given.get("Tags")),
        }
        if given.get("Description") is not None:
            spec["description"] = given["Description"]
        role = await self._book.roles.create(call.account, name, spec)
        members = role_members(role, with_tags=True)
        if given.get("MaxSessionDuration") is None:
            del members["MaxSessionDuration"]
        return {"Role": members}

    async def get(self, call: AwsCall) -> Members:
        return {"Role": self.described(self._lookup.role(call))}

    def described(self, role: Role) -> Members:
        """A role with when it was last used."""
        used = self._uses.find(role.account, role.id)
        last: Members = {"LastUsedDate": used.at, "Region": used.region} if used is not None else {}
        return {**role_members(role, with_tags=True), "RoleLastUsed": last}

    async def update(self, call: AwsCall) -> Members:
        given = call.parameters
        role = self.modifiable(call)
        spec: Value = {}
        if given.get("Description") is not None:
            spec["description"] = given["Description"]
        if given.get("MaxSessionDuration") is not None:
            spec["maxSessionS"] = _session_s(given["MaxSessionDuration"])
        if spec:
            await self._book.roles.change(role, spec)
        return {}

    async def update_description(self, call: AwsCall) -> Members:
        role = await self._book.roles.change(
            self.modifiable(call), {"description": call.parameters.get("Description") or ""}
        )
        members = role_members(role)
        del members["MaxSessionDuration"]
        return {"Role": members}

    async def update_trust(self, call: AwsCall) -> Members:
        role = self.modifiable(call)
        check_trust(call.parameters["PolicyDocument"])
        await self._book.roles.change(role, {"trust": call.parameters["PolicyDocument"]})
        return {}

    async def delete(self, call: AwsCall) -> Members:
        role = self.modifiable(call)
        if any(role.name in profile.fields.roles for profile in self._book.profiles.list(call.account)):
            raise delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
        if role.fields.attached:
            raise delete_conflict("Cannot delete entity, must detach all policies first.")
        if role.fields.policies:
            raise delete_conflict("Cannot delete entity, must delete policies first.")
        await self._book.roles.delete(role)
        await self._uses.forget(role.account, role.id)
        return {}

    async def list_all(self, call: AwsCall) -> Members:
        prefix = call.parameters.get("PathPrefix")
        roles = [role_members(role) for role in self._book.roles.list(call.account) if under(prefix, role.fields.path)]
        return page("Roles", roles, call)

    async def put_role_boundary(self, call: AwsCall) -> Members:
        role = self.modifiable(call)
        boundary = self.check_boundary(call, call.parameters["PermissionsBoundary"])
        await self._book.roles.change(role, {"boundary": boundary})
        return {}

    async def delete_role_boundary(self, call: AwsCall) -> Members:
        role = self._lookup.role(call)
        if not role.fields.boundary:
            raise no_such(f"Role {role.name} does not have a permission boundary.")
        await self._book.roles.change(role, {"boundary": ""})
        return {}

    async def put_user_boundary(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        boundary = self.check_boundary(call, call.parameters["PermissionsBoundary"])
        await self._book.users.change(user, {"boundary": boundary})
        return {}

    async def delete_user_boundary(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        if not user.fields.boundary:
            raise no_such(f"User {user.name} does not have a permission boundary.")
        await self._book.users.change(user, {"boundary": ""})
        return {}

    def check_boundary(self, call: AwsCall, arn: str | None) -> str:
        """The ARN of a managed policy, "" for none. Raises InvalidInput, NoSuchEntity."""
        if not arn:
            return ""
        if ":policy/" not in arn or not arn.startswith("arn:"):
            raise invalid_input(f"Value ({arn}) for parameter PermissionsBoundary is invalid.")
        if self._managed.document(call.account, arn) is None:
            raise no_such(f"Scope ARN: {arn} does not exist or is not attachable.")
        return arn

    def modifiable(self, call: AwsCall) -> Role:
        """The role, which must not be a service's own. Raises UnmodifiableEntity."""
        role = self._lookup.role(call)
        if role.fields.service:
            raise unmodifiable(
                f"Cannot perform the operation on the protected role '{role.name}' - this role is only modifiable by "
                "AWS"
            )
        return role


def _session_s(given: int | None) -> int:
    if given is None:
        return SESSION_S_MIN
    if not SESSION_S_MIN <= given <= SESSION_S_MAX:
        bound = "greater than or equal to 3600" if given < SESSION_S_MIN else "less than or equal to 43200"
        raise validation(
            f"1 validation error detected: Value '{given}' at 'maxSessionDuration' failed to satisfy constraint: "
            f"Member must have value {bound}"
        )
    return given
