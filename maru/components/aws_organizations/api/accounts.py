"""Accounts: made, described, moved, removed, closed.

Source: AWS Organizations API reference, CreateAccount, DescribeCreateAccountStatus, DescribeAccount, ListAccounts,
MoveAccount, RemoveAccountFromOrganization, LeaveOrganization, CloseAccount.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_organizations.api.gate import Gate, Rule, operation
from maru.components.aws_organizations.api.organization import FULL_ACCESS, left
from maru.components.aws_organizations.api.shapes import account_shape, page, read_tags, request_shape
from maru.components.aws_organizations.config import OrganizationsConfig
from maru.components.aws_organizations.engine.births import Births
from maru.components.aws_organizations.engine.tree import BY_EMAIL, BY_ORGANIZATION, Tree
from maru.components.aws_organizations.errors import conflict, duplicate, missing, violated
from maru.components.aws_organizations.model.documents import Account, Organization
from maru.components.aws_organizations.model.names import ACCOUNT, REQUEST, ROOT, UNIT, check_form
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value

_ROLE = "OrganizationAccountAccessRole"


class Accounts:
    """See the module."""

    def __init__(self, tree: Tree, gate: Gate, births: Births, config: OrganizationsConfig) -> None:
        self._tree = tree
        self._gate = gate
        self._births = births
        self._config = config

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        gate = self._gate
        return {
            "CreateAccount": operation(gate, self.create, Rule()),
            "DescribeCreateAccountStatus": operation(gate, self.describe_request, Rule()),
            "ListCreateAccountStatus": operation(gate, self.list_requests, Rule()),
            "DescribeAccount": operation(gate, self.describe, Rule("AccountId")),
            "ListAccounts": operation(gate, self.list_all, Rule()),
            "ListAccountsForParent": operation(gate, self.list_in, Rule("ParentId")),
            "MoveAccount": operation(gate, self.move, Rule("AccountId")),
            "RemoveAccountFromOrganization": operation(gate, self.remove, Rule("AccountId")),
            "LeaveOrganization": operation(gate, self.leave, Rule(members=True)),
            "CloseAccount": operation(gate, self.close, Rule("AccountId")),
        }

    async def create(self, call: AwsCall) -> Members:
        given = call.parameters
        organization = self._tree.organization_of(call.account)
        tags = read_tags(given.get("Tags"))
        name, requested_at = f"car-{self._tree.ids.suffix(32)}", self._tree.stamp()
        failure = self._failure(organization, given["Email"])
        account = ""
        if not failure:
            spec: Value = {
                "name": given["AccountName"],
                "email": given["Email"],
                "roleName": given.get("RoleName") or _ROLE,
                "management": call.account,
                "organization": organization.fields.id,
                "parent": organization.fields.root,
                "joinedMethod": "CREATED",
                "policies": FULL_ACCESS,
                "tags": tags,
            }
            account = await self._births.bear(spec)
        done: Value = {
            "id": name,
            "organization": organization.fields.id,
            "name": given["AccountName"],
            "state": "FAILED" if failure else "SUCCEEDED",
            "requestedAt": requested_at,
            "completedAt": self._tree.stamp(),
            "account": account,
            "failure": failure,
        }
        kept = await self._tree.shelves.requests.create({"metadata": {"name": name}, "spec": done})
        if account:
            await self._births.wait_role(account)
        return {"CreateAccountStatus": request_shape(kept)}

    def _failure(self, organization: Organization, email: str) -> str:
        if self._tree.shelves.accounts.by_index(BY_EMAIL, email.lower()):
            return "EMAIL_ALREADY_EXISTS"
        if len(self._tree.members(organization)) >= self._config.accounts_max:
            return "ACCOUNT_LIMIT_EXCEEDED"
        return ""

    async def describe_request(self, call: AwsCall) -> Members:
        name = check_form(call.parameters["CreateAccountRequestId"], REQUEST)
        request = self._tree.shelves.requests.get("", name)
        if request is None or request.organization != self._tree.organization_of(call.account).fields.id:
            raise missing("CreateAccountStatusNotFoundException")
        return {"CreateAccountStatus": request_shape(request)}

    async def list_requests(self, call: AwsCall) -> Members:
        states = call.parameters.get("States")
        own = self._tree.organization_of(call.account).fields.id
        found = [
            request
            for request in self._tree.shelves.requests.by_index(BY_ORGANIZATION, own)
            if not states or request.state in states
        ]
        found.sort(key=lambda request: (request.requested_at, request.id))
        return page("CreateAccountStatuses", [request_shape(request) for request in found], call)

    async def describe(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        account = self._tree.member(organization, check_form(call.parameters["AccountId"], ACCOUNT))
        return {"Account": account_shape(self._tree, organization, account)}

    async def list_all(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        found = self._tree.members(organization)
        return page("Accounts", [account_shape(self._tree, organization, account) for account in found], call)

    async def list_in(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        parent = check_form(call.parameters["ParentId"], ROOT, UNIT)
        found = self._tree.accounts_in(organization, self._tree.check_parent(organization, parent))
        return page("Accounts", [account_shape(self._tree, organization, account) for account in found], call)

    async def move(self, call: AwsCall) -> Members:
        given = call.parameters
        organization = self._tree.organization_of(call.account)
        account = self._tree.member(organization, check_form(given["AccountId"], ACCOUNT))
        source, destination = (check_form(given[f"{end}ParentId"], ROOT, UNIT) for end in ("Source", "Destination"))
        self._tree.check_parent(organization, source, "SourceParentNotFoundException")
        self._tree.check_parent(organization, destination, "DestinationParentNotFoundException")

        def change(fresh: Account) -> Value:
            if fresh.fields.parent == destination:
                raise duplicate("DuplicateAccountException", "The specified account already exists at the destination.")
            if fresh.fields.parent != source:
                raise missing("SourceParentNotFoundException")
            return {"parent": destination}

        await self._tree.change_account(account.fields.id, change)
        return {}

    async def remove(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        account = self._tree.member(organization, check_form(call.parameters["AccountId"], ACCOUNT))
        await self._depart(organization, account)
        return {}

    async def leave(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        await self._depart(organization, self._tree.member(organization, call.account))
        return {}

    async def _depart(self, organization: Organization, account: Account) -> None:
        if account.fields.id == organization.fields.management:
            raise conflict(
                "MasterCannotLeaveOrganizationException",
                "You can't remove a management account from an organization.",
            )

        def change(fresh: Account) -> Value:
            if fresh.fields.delegations:
                raise violated(
                    "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG",
                    "You cannot remove a delegated administrator account from your organization.",
                )
            return left()

        await self._tree.change_account(account.fields.id, change)

    async def close(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        account = self._tree.member(organization, check_form(call.parameters["AccountId"], ACCOUNT))
        if account.fields.id == organization.fields.management:
            raise violated("CANNOT_CLOSE_MANAGEMENT_ACCOUNT", "You can't close the management account.")

        def change(fresh: Account) -> Value:
            if fresh.fields.status == "SUSPENDED":
                raise conflict("AccountAlreadyClosedException", "The provided account is already closed.")
            return {"status": "SUSPENDED"}

        await self._tree.change_account(account.fields.id, change)
        return {}
