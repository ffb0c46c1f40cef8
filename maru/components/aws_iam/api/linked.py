"""Service-linked roles: made for a service, trusted by it alone, changed by nobody.

Source: IAM API reference, CreateServiceLinkedRole, DeleteServiceLinkedRole; IAM User Guide, "Service-linked
roles".
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.shapes import role_members
from maru.components.aws_iam.errors import invalid_input, no_such
from maru.components.aws_iam.quirks import LINKED_NAMES
from maru.contracts.aws_service import AwsCall, AwsOperation, Members


class Linked:
    """See the module."""

    def __init__(self, book: Book, lookup: Lookup, asker: Asker) -> None:
        self._book = book
        self._lookup = lookup
        self._asker = asker

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        asker = self._asker
        return {
            "CreateServiceLinkedRole": AwsOperation(self.create, asker.alone("CreateServiceLinkedRole")),
            "DeleteServiceLinkedRole": AwsOperation(self.delete, asker.about("DeleteServiceLinkedRole", asker.role)),
            "GetServiceLinkedRoleDeletionStatus": AwsOperation(
                self.status, asker.alone("GetServiceLinkedRoleDeletionStatus")
            ),
        }

    async def create(self, call: AwsCall) -> Members:
        given = call.parameters
        service = given["AWSServiceName"]
        if not service.endswith(".amazonaws.com"):
            raise invalid_input(f"Service {service} is not valid.")
        suffix = given.get("CustomSuffix")
        name = f"AWSServiceRoleFor{linked_name(service)}" + (f"_{suffix}" if suffix else "")
        if self._book.roles.find(call.account, name) is not None:
            raise invalid_input(
                f"Service role name {name} has been taken in this account, please try a different suffix."
            )
        trust = {
            "Version": "2012-10-17",
            "Statement": [{"Action": ["sts:AssumeRole"], "Effect": "Allow", "Principal": {"Service": [service]}}],
        }
        spec = {
            "name": name,
            "path": f"/aws-service-role/{service}/",
            "trust": msgspec.json.encode(trust).decode(),
            "service": service,
        }
        if given.get("Description") is not None:
            spec["description"] = given["Description"]
        members = role_members(await self._book.roles.create(call.account, name, spec))
        del members["MaxSessionDuration"]
        return {"Role": members}

    async def delete(self, call: AwsCall) -> Members:
        role = self._lookup.role(call)
        if not role.fields.service:
            raise no_such(f"The role with name {role.name} cannot be found.")
        await self._book.roles.delete(role)
        task = self._book.tools.ids.uid()
        return {"DeletionTaskId": f"task{role.fields.path}{role.name}/{task}"}

    async def status(self, call: AwsCall) -> Members:
        """A role is gone at once, so a task that was given is done."""
        task = call.parameters["DeletionTaskId"]
        parts = task.split("/")
        if len(parts) != 5 or parts[:2] != ["task", "aws-service-role"]:
            raise no_such(f"Deletion task id {task} not found.")
        return {"Status": "SUCCEEDED"}


def linked_name(service: str) -> str:
    """What stands in a role's name for a service."""
    word = service.split(".", 1)[0]
    return LINKED_NAMES.get(service) or "".join(part.capitalize() for part in word.split("-"))
