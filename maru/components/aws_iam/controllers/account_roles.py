"""The role by which a management account enters an account that it made: OrganizationAccountAccessRole.

It trusts the management account and has AdministratorAccess; made once for each account that wants one, and
left alone afterwards, so that an account may change or delete it.
Source: Organizations User Guide, "Accessing a member account that has OrganizationAccountAccessRole".
"""

from __future__ import annotations

import msgspec

from maru.components.aws_iam.api.book import Book, ensure_namespace
from maru.components.aws_iam.model.aws_policies import PREFIX
from maru.core.document import Value
from maru.core.errors import AlreadyExists
from maru.core.informer import Place
from maru.core.kept import Kept
from maru.core.reconcile import Loop
from maru.kinds.aws import ACCOUNTS, namespace_of

ADMINISTRATOR = f"{PREFIX}/AdministratorAccess"


class AccountFields(msgspec.Struct, frozen=True, rename="camel"):
    """What of an Account matters here."""

    id: str
    role_name: str = ""
    management: str = ""


class AccountRoles:
    """See the module."""

    def __init__(self, book: Book) -> None:
        clock, ids = book.tools.clock, book.tools.ids
        self._book = book
        self.accounts: Kept[tuple[AccountFields, bool]] = Kept(book.client, ACCOUNTS, _read, clock, ids)
        self._loop: Loop[Place] = Loop("aws account roles", self._bring_right, clock, ids)
        self.accounts.on_change(self._loop.add)

    async def run(self) -> None:
        """Until cancelled."""
        await self._loop.run()

    async def _bring_right(self, place: Place) -> float | None:
        account = self.accounts.get(*place)
        if account is None:
            return None
        fields, is_done = account
        if is_done or not fields.role_name or not fields.management:
            return None
        await ensure_namespace(self._book.client, namespace_of(fields.id))
        try:
            role = await self._book.roles.create(fields.id, fields.role_name, _role(fields))
        except AlreadyExists:
            found = self._book.roles.find(fields.id, fields.role_name)
            if found is None:
                raise
            role = found
        await self.accounts.patch("", place[1], {"status": {"role": role.arn}}, subresource="status")
        return None


def _role(fields: AccountFields) -> Value:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{fields.management}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    return {
        "name": fields.role_name,
        "trust": msgspec.json.encode(trust).decode(),
        "attached": [ADMINISTRATOR],
    }


def _read(document: Value) -> tuple[AccountFields, bool]:
    """The account, and whether its role was made."""
    fields = msgspec.convert(document.get("spec") or {}, AccountFields)
    return fields, bool((document.get("status") or {}).get("role"))
