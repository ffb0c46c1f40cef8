"""Trusted services and delegated administrators.

Source: AWS Organizations API reference, EnableAWSServiceAccess, RegisterDelegatedAdministrator and their like.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_organizations.api.gate import Gate, Rule, operation
from maru.components.aws_organizations.api.shapes import account_shape, moment, page
from maru.components.aws_organizations.engine.tree import Tree
from maru.components.aws_organizations.errors import conflict, duplicate, invalid, violated
from maru.components.aws_organizations.model.documents import Account, Organization, OrganizationFields
from maru.components.aws_organizations.model.names import ACCOUNT, check_form
from maru.components.aws_organizations.quirks import PRINCIPALS
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value


class Delegation:
    """See the module."""

    def __init__(self, tree: Tree, gate: Gate) -> None:
        self._tree = tree
        self._gate = gate

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        gate = self._gate
        return {
            "EnableAWSServiceAccess": operation(gate, self.enable, Rule()),
            "DisableAWSServiceAccess": operation(gate, self.disable, Rule()),
            "ListAWSServiceAccessForOrganization": operation(gate, self.list_services, Rule()),
            "RegisterDelegatedAdministrator": operation(gate, self.register, Rule("AccountId")),
            "DeregisterDelegatedAdministrator": operation(gate, self.deregister, Rule("AccountId")),
            "ListDelegatedAdministrators": operation(gate, self.list_administrators, Rule()),
            "ListDelegatedServicesForAccount": operation(gate, self.list_for_account, Rule("AccountId")),
        }

    async def enable(self, call: AwsCall) -> Members:
        principal = _principal(call)
        organization = self._tree.organization_of(call.account)
        _check_features(organization)

        def change(fields: OrganizationFields) -> Value:
            return {"services": {principal: fields.services.get(principal) or self._tree.stamp()}}

        await self._tree.change_organization(organization.fields.id, change)
        return {}

    async def disable(self, call: AwsCall) -> Members:
        principal = _principal(call)
        organization = self._tree.organization_of(call.account)
        if any(principal in account.fields.delegations for account in self._tree.members(organization)):
            raise violated(
                "DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE",
                "You must first deregister the delegated administrators of the service.",
            )
        await self._tree.change_organization(organization.fields.id, lambda _: {"services": {principal: None}})
        return {}

    async def list_services(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        every = [
            {"ServicePrincipal": principal, "DateEnabled": moment(since)}
            for principal, since in sorted(organization.fields.services.items(), key=lambda item: item[::-1])
        ]
        return page("EnabledServicePrincipals", every, call)

    async def register(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        name = check_form(call.parameters["AccountId"], ACCOUNT)
        if name == organization.fields.management:
            raise violated(
                "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR",
                "You cannot register master account/yourself as delegated administrator for your organization.",
            )
        account = self._tree.member(organization, name)
        principal = _principal(call)
        if account.fields.status != "ACTIVE":
            raise violated(
                "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR",
                "You cannot register a suspended account as a delegated administrator.",
            )

        def change(fresh: Account) -> Value:
            if principal in fresh.fields.delegations:
                raise duplicate(
                    "AccountAlreadyRegisteredException",
                    "The provided account is already a delegated administrator for your organization.",
                )
            return {"delegations": {principal: self._tree.stamp()}}

        await self._tree.change_account(name, change)
        return {}

    async def deregister(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        name = check_form(call.parameters["AccountId"], ACCOUNT)
        if name == organization.fields.management:
            raise violated(
                "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR",
                "You cannot register master account/yourself as delegated administrator for your organization.",
            )
        self._tree.member(organization, name)
        principal = _principal(call)

        def change(fresh: Account) -> Value:
            if not fresh.fields.delegations:
                raise _not_registered()
            if principal not in fresh.fields.delegations:
                raise invalid("You specified an unrecognized service principal.", "UNRECOGNIZED_SERVICE_PRINCIPAL")
            return {"delegations": {principal: None}}

        await self._tree.change_account(name, change)
        return {}

    async def list_administrators(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        principal = _principal(call) if call.parameters.get("ServicePrincipal") else ""
        every = []
        for account in self._tree.members(organization):
            since = account.fields.delegations
            if since and (not principal or principal in since):
                shape = dict(account_shape(self._tree, organization, account))
                del shape["Paths"]
                enabled = since[principal] if principal else min(since.values())
                every.append({**shape, "DelegationEnabledDate": moment(enabled)})
        return page("DelegatedAdministrators", every, call)

    async def list_for_account(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        account = self._tree.member(organization, check_form(call.parameters["AccountId"], ACCOUNT))
        if not account.fields.delegations:
            raise _not_registered()
        every = [
            {"ServicePrincipal": principal, "DelegationEnabledDate": moment(since)}
            for principal, since in account.fields.delegations.items()
        ]
        return page("DelegatedServices", every, call)


def _principal(call: AwsCall) -> str:
    principal: str = call.parameters["ServicePrincipal"]
    if principal not in PRINCIPALS:
        raise invalid("You specified an unrecognized service principal.", "UNRECOGNIZED_SERVICE_PRINCIPAL")
    return principal


def _not_registered() -> Exception:
    return conflict(
        "AccountNotRegisteredException",
        "The provided account is not a registered delegated administrator for your organization.",
    )


def _check_features(organization: Organization) -> None:
    if organization.fields.feature_set != "ALL":
        raise violated("ORGANIZATION_NOT_IN_ALL_FEATURES_MODE", "The organization must have all features enabled.")
