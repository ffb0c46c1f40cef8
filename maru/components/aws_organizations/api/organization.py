"""The organization itself: made, described, deleted; its root and its resource policy.

Source: AWS Organizations API reference, CreateOrganization, DescribeOrganization, DeleteOrganization, ListRoots,
PutResourcePolicy, DescribeResourcePolicy, DeleteResourcePolicy.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from maru.components.aws_organizations.api.gate import Gate, Rule, operation
from maru.components.aws_organizations.api.shapes import organization_shape, page, read_tags, root_shape
from maru.components.aws_organizations.engine.tree import BY_ORGANIZATION, Tree
from maru.components.aws_organizations.errors import conflict, invalid, missing
from maru.components.aws_organizations.model.documents import Organization, OrganizationFields
from maru.components.aws_organizations.model.names import arn
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value

FULL_ACCESS = ("p-FullAWSAccess", "p-RCPFullAWSAccess")
"""AWS's own policies, attached to whatever joins from the start, whether their types are enabled or not."""


class OrganizationOperations:
    """See the module."""

    def __init__(self, tree: Tree, gate: Gate) -> None:
        self._tree = tree
        self._gate = gate

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        gate = self._gate
        return {
            "CreateOrganization": operation(gate, self.create, Rule(strangers=True, members=True)),
            "DescribeOrganization": operation(gate, self.describe, Rule(members=True)),
            "DeleteOrganization": operation(gate, self.delete, Rule()),
            "ListRoots": operation(gate, self.roots, Rule()),
            "PutResourcePolicy": operation(gate, self.put_policy, Rule()),
            "DescribeResourcePolicy": operation(gate, self.describe_policy, Rule()),
            "DeleteResourcePolicy": operation(gate, self.delete_policy, Rule()),
        }

    async def create(self, call: AwsCall) -> Members:
        if self._tree.find_organization_of(call.account) is not None:
            raise conflict("AlreadyInOrganizationException", "The AWS account is already a member of an organization.")
        name, root = f"o-{self._tree.ids.suffix(10)}", f"r-{self._tree.ids.suffix(4)}"
        stamp = self._tree.stamp()
        fields: Value = {
            "id": name,
            "root": root,
            "management": call.account,
            "createdAt": stamp,
            "featureSet": call.parameters.get("FeatureSet") or "ALL",
            "policies": FULL_ACCESS,
        }
        organization = await self._tree.shelves.organizations.create({"metadata": {"name": name}, "spec": fields})
        joined = {
            "organization": name,
            "parent": root,
            "joinedAt": stamp,
            "joinedMethod": "INVITED",
            "policies": FULL_ACCESS,
        }
        await self._tree.change_account(call.account, lambda _: joined)
        return {"Organization": organization_shape(self._tree, organization)}

    async def describe(self, call: AwsCall) -> Members:
        return {"Organization": organization_shape(self._tree, self._tree.organization_of(call.account))}

    async def delete(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        if len(self._tree.members(organization)) > 1:
            raise conflict(
                "OrganizationNotEmptyException",
                "To delete an organization you must first remove all member accounts (except the master).",
            )
        own = organization.fields.id
        await self._tree.change_account(call.account, lambda _: left())
        shelves = self._tree.shelves
        for policy in shelves.policies.by_index(BY_ORGANIZATION, own):
            await shelves.policies.delete("", policy.fields.id)
        for unit in self._tree.units(organization):
            await shelves.units.delete("", unit.fields.id)
        for handshake in shelves.handshakes.by_index(BY_ORGANIZATION, own):
            await shelves.handshakes.delete("", handshake.id)
        for request in shelves.requests.by_index(BY_ORGANIZATION, own):
            await shelves.requests.delete("", request.id)
        await shelves.organizations.delete("", own)
        return {}

    async def roots(self, call: AwsCall) -> Members:
        return page("Roots", [root_shape(self._tree.organization_of(call.account))], call)

    async def put_policy(self, call: AwsCall) -> Members:
        content: str = call.parameters["Content"]
        _check_resource_policy(content)
        tags = read_tags(call.parameters.get("Tags"))

        def change(fields: OrganizationFields) -> Value:
            name = fields.resource_policy_id or f"rp-{self._tree.ids.suffix(8)}"
            return {"resourcePolicy": content, "resourcePolicyId": name, "resourcePolicyTags": tags}

        own = self._tree.organization_of(call.account).fields.id
        return {"ResourcePolicy": _resource_policy(await self._tree.change_organization(own, change))}

    async def describe_policy(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        if not organization.fields.resource_policy:
            raise missing("ResourcePolicyNotFoundException")
        return {"ResourcePolicy": _resource_policy(organization)}

    async def delete_policy(self, call: AwsCall) -> Members:
        def change(fields: OrganizationFields) -> Value:
            if not fields.resource_policy:
                raise missing("ResourcePolicyNotFoundException")
            gone = dict.fromkeys(fields.resource_policy_tags)
            return {"resourcePolicy": "", "resourcePolicyId": "", "resourcePolicyTags": gone}

        await self._tree.change_organization(self._tree.organization_of(call.account).fields.id, change)
        return {}


def left() -> Value:
    """What an account's spec is set to when it leaves."""
    return {
        "organization": "",
        "parent": "",
        "joinedAt": "",
        "joinedMethod": "",
        "policies": [],
        "tags": None,
        "delegations": None,
    }


def _resource_policy(organization: Organization) -> Members:
    fields = organization.fields
    name = fields.resource_policy_id
    summary = {"Id": name, "Arn": arn(fields.management, "resourcepolicy", fields.id, name)}
    return {"ResourcePolicySummary": summary, "Content": fields.resource_policy}


def _check_resource_policy(content: str) -> None:
    try:
        policy = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise invalid("The resource policy is not valid JSON.", "INVALID_RESOURCE_POLICY_JSON") from error
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not statements:
        raise invalid("The resource policy has no statement.", "INVALID_RESOURCE_POLICY_JSON")
    for statement in statements:
        if not isinstance(statement, dict) or not {"Effect", "Principal", "Action", "Resource"} <= set(statement):
            text = "A statement of the resource policy lacks an element."
            raise invalid(text, "INVALID_RESOURCE_POLICY_JSON")
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        if not all(isinstance(action, str) and action.startswith("organizations:") for action in actions):
            text = "The resource policy has an action that it cannot delegate."
            raise invalid(text, "UNSUPPORTED_ACTION_IN_RESOURCE_POLICY")
