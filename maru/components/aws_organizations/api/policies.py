"""Policies: made, changed, listed; and which types of them are in force.

Source: AWS Organizations API reference, CreatePolicy, UpdatePolicy, ListPolicies, EnablePolicyType, DisablePolicyType.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from maru.components.aws_organizations.api.gate import Gate, Rule, operation
from maru.components.aws_organizations.api.shapes import page, policy_shape, policy_summary, read_tags, root_shape
from maru.components.aws_organizations.engine.tree import Target, Tree
from maru.components.aws_organizations.errors import conflict, duplicate, invalid, missing, violated
from maru.components.aws_organizations.model.contents import check_content
from maru.components.aws_organizations.model.documents import (
    Account,
    Organization,
    OrganizationFields,
    Policy,
    Unit,
)
from maru.components.aws_organizations.model.kinds import KINDS, Kind
from maru.components.aws_organizations.model.names import POLICY, ROOT, check_form
from maru.components.aws_organizations.quirks import POLICY_NOT_READ
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value

_POLICIES_MAX = 2000


class Policies:
    """See the module."""

    def __init__(self, tree: Tree, gate: Gate) -> None:
        self._tree = tree
        self._gate = gate

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        gate = self._gate
        return {
            "CreatePolicy": operation(gate, self.create, Rule()),
            "DescribePolicy": operation(gate, self.describe, Rule("PolicyId")),
            "UpdatePolicy": operation(gate, self.update, Rule("PolicyId")),
            "DeletePolicy": operation(gate, self.delete, Rule("PolicyId")),
            "ListPolicies": operation(gate, self.list_all, Rule()),
            "EnablePolicyType": operation(gate, self.enable, Rule("RootId")),
            "DisablePolicyType": operation(gate, self.disable, Rule("RootId")),
        }

    async def create(self, call: AwsCall) -> Members:
        given = call.parameters
        organization = self._tree.organization_of(call.account)
        kind = kind_of(given["Type"])
        _check_features(organization)
        check_content(kind, given["Content"])
        have = self._tree.policies(organization, kind.name)
        self._check_name(have, given["Name"], "")
        if len(have) >= _POLICIES_MAX:
            raise violated("POLICY_NUMBER_LIMIT_EXCEEDED", "You have exceeded the number of policies of this type.")
        name, stamp = f"p-{self._tree.ids.suffix(8)}", self._tree.stamp()
        fields = {
            "id": name,
            "organization": organization.fields.id,
            "type": kind.name,
            "name": given["Name"],
            "description": given["Description"],
            "content": given["Content"],
            "createdAt": stamp,
            "updatedAt": stamp,
            "tags": read_tags(given.get("Tags")),
        }
        policy = await self._tree.shelves.policies.create({"metadata": {"name": name}, "spec": fields})
        return {"Policy": policy_shape(organization, policy)}

    async def describe(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        return {"Policy": policy_shape(organization, self._policy(call, organization, POLICY_NOT_READ))}

    async def update(self, call: AwsCall) -> Members:
        given = call.parameters
        organization = self._tree.organization_of(call.account)
        policy = self._policy(call, organization)
        _check_own(policy)
        spec: Value = {"updatedAt": self._tree.stamp()}
        if given.get("Name") is not None:
            self._check_name(self._tree.policies(organization, policy.fields.type), given["Name"], policy.fields.id)
            spec["name"] = given["Name"]
        if given.get("Description") is not None:
            spec["description"] = given["Description"]
        if given.get("Content") is not None:
            check_content(KINDS[policy.fields.type], given["Content"])
            spec["content"] = given["Content"]
        policy = await self._tree.shelves.policies.patch("", policy.fields.id, {"spec": spec})
        return {"Policy": policy_shape(organization, policy)}

    async def delete(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        policy = self._policy(call, organization)
        _check_own(policy)
        if self._tree.targets_of(organization, policy.fields.id):
            text = "The policy is attached to one or more entities. You must detach it before you can delete it."
            raise conflict("PolicyInUseException", text)
        await self._tree.shelves.policies.delete("", policy.fields.id)
        return {}

    async def list_all(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        found = self._tree.policies(organization, kind_of(call.parameters["Filter"]).name)
        return page("Policies", [policy_summary(organization, policy) for policy in found], call)

    async def enable(self, call: AwsCall) -> Members:
        organization = self._root(call)
        kind = kind_of(call.parameters["PolicyType"])
        _check_features(organization)
        if kind.name in organization.fields.policy_types:
            raise duplicate("PolicyTypeAlreadyEnabledException", "The specified policy type is already enabled.")
        if kind.managed:  # before it is in force, so that nothing is ever denied by an empty level
            await self._on_every_target(organization, lambda names: _with(names, kind.managed))

        def change(fields: OrganizationFields) -> Value:
            return {"policyTypes": [*(name for name in fields.policy_types if name != kind.name), kind.name]}

        return {"Root": root_shape(await self._tree.change_organization(organization.fields.id, change))}

    async def disable(self, call: AwsCall) -> Members:
        organization = self._root(call)
        kind = kind_of(call.parameters["PolicyType"])
        if kind.name not in organization.fields.policy_types:
            raise not_enabled()

        def change(fields: OrganizationFields) -> Value:
            return {"policyTypes": [name for name in fields.policy_types if name != kind.name]}

        done = await self._tree.change_organization(organization.fields.id, change)
        mine = {policy.fields.id for policy in self._tree.policies(organization, kind.name)}
        await self._on_every_target(organization, lambda names: [name for name in names if name not in mine])
        if kind.managed:  # it is there from the start, whether the type is enabled or not
            await self._on_every_target(organization, lambda names: _with(names, kind.managed))
        return {"Root": root_shape(done)}

    async def _on_every_target(
        self, organization: Organization, change: Callable[[tuple[str, ...]], list[str]]
    ) -> None:
        targets: list[Target] = [organization, *self._tree.units(organization), *self._tree.members(organization)]
        for target in targets:
            if change(target.fields.policies) != list(target.fields.policies):
                await change_attached(self._tree, organization, target, change)

    def _root(self, call: AwsCall) -> Organization:
        organization = self._tree.organization_of(call.account)
        if check_form(call.parameters["RootId"], ROOT) != organization.fields.root:
            raise missing("RootNotFoundException")
        return organization

    def _policy(self, call: AwsCall, organization: Organization, text: str = "") -> Policy:
        return self._tree.policy(organization, check_form(call.parameters["PolicyId"], POLICY), text)

    def _check_name(self, have: Sequence[Policy], name: str, own: str) -> None:
        if any(policy.fields.name == name and policy.fields.id != own for policy in have):
            raise duplicate("DuplicatePolicyException", "A policy with the same name already exists.")


async def change_attached(
    tree: Tree, organization: Organization, target: Target, change: Callable[[tuple[str, ...]], list[str]]
) -> None:
    """Write the policies attached to a target; `change` sees them as they are."""
    if isinstance(target, Account):
        await tree.change_account(target.fields.id, lambda fresh: {"policies": change(fresh.fields.policies)})
    elif isinstance(target, Unit):
        await tree.change_unit(
            organization, target.fields.id, lambda fresh: {"policies": change(fresh.fields.policies)}
        )
    else:
        await tree.change_organization(target.fields.id, lambda fields: {"policies": change(fields.policies)})


def kind_of(name: str) -> Kind:
    """The type of policy by its name. Raises Invalid."""
    kind = KINDS.get(name)
    if kind is None:
        raise invalid(reason="INVALID_ENUM_POLICY_TYPE")
    return kind


def not_enabled() -> Exception:
    """PolicyTypeNotEnabledException."""
    return conflict("PolicyTypeNotEnabledException", "This operation can be performed only for enabled policy types.")


def _check_features(organization: Organization) -> None:
    if organization.fields.feature_set != "ALL":
        raise conflict(
            "PolicyTypeNotAvailableForOrganizationException",
            "You can't use the specified policy type with the feature set currently enabled for this organization.",
        )


def _check_own(policy: Policy) -> None:
    if policy.is_managed:
        raise invalid("You cannot modify or delete an AWS managed policy.", "IMMUTABLE_POLICY")


def _with(names: tuple[str, ...], managed: str) -> list[str]:
    return list(names) if managed in names else [managed, *names]
