"""Where policies are attached, and what they add up to.

Source: AWS Organizations API reference, AttachPolicy, DetachPolicy, ListPoliciesForTarget, ListTargetsForPolicy,
DescribeEffectivePolicy; User Guide, "Quotas".
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from maru.components.aws_organizations.api.gate import Gate, Rule, operation
from maru.components.aws_organizations.api.policies import change_attached, kind_of, not_enabled
from maru.components.aws_organizations.api.shapes import moment, page, policy_summary, target_shape
from maru.components.aws_organizations.engine.guardrails import line
from maru.components.aws_organizations.engine.tree import Target, Tree
from maru.components.aws_organizations.errors import conflict, denied, duplicate, invalid, missing, violated
from maru.components.aws_organizations.model.documents import Organization, Policy
from maru.components.aws_organizations.model.inheritance import effective
from maru.components.aws_organizations.model.kinds import KINDS, RCP, SCP
from maru.components.aws_organizations.model.names import ACCOUNT, POLICY, ROOT, UNIT, check_form
from maru.components.aws_organizations.quirks import POLICY_NOT_READ
from maru.contracts.aws_service import AwsCall, AwsOperation, Members


class Attachments:
    """See the module."""

    def __init__(self, tree: Tree, gate: Gate) -> None:
        self._tree = tree
        self._gate = gate

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        gate = self._gate
        return {
            "AttachPolicy": operation(gate, self.attach, Rule("TargetId")),
            "DetachPolicy": operation(gate, self.detach, Rule("TargetId")),
            "ListPoliciesForTarget": operation(gate, self.list_policies, Rule("TargetId")),
            "ListTargetsForPolicy": operation(gate, self.list_targets, Rule("PolicyId")),
            "DescribeEffectivePolicy": operation(gate, self.describe_effective, Rule(members=True)),
        }

    async def attach(self, call: AwsCall) -> Members:
        organization, policy, target = self._both(call)
        kind = KINDS[policy.fields.type]
        # What limits permissions may be attached beforehand; it binds once its type is enabled.
        if not kind.is_authorization and kind.name not in organization.fields.policy_types:
            raise not_enabled()
        there = {found.fields.id for found in self._tree.policies(organization, kind.name)}

        def change(names: tuple[str, ...]) -> list[str]:
            if policy.fields.id in names:
                raise duplicate(
                    "DuplicatePolicyAttachmentException",
                    "The selected policy is already attached to the specified target.",
                )
            if len(there & set(names)) >= kind.attached_max:
                raise violated(
                    "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
                    "You have exceeded the number of policies of this type that can be attached to the target.",
                )
            return [*names, policy.fields.id]

        await change_attached(self._tree, organization, target, change)
        return {}

    async def detach(self, call: AwsCall) -> Members:
        organization, policy, target = self._both(call)
        kind = policy.fields.type
        if policy.is_managed and kind == RCP:
            raise invalid("You can't detach the RCPFullAWSAccess policy.", "NON_DETACHABLE_POLICY")
        there = {found.fields.id for found in self._tree.policies(organization, kind)}

        def change(names: tuple[str, ...]) -> list[str]:
            if policy.fields.id not in names:
                raise conflict("PolicyNotAttachedException", "The policy isn't attached to the specified target.")
            if kind == SCP and len(there & set(names)) == 1:
                raise violated(
                    "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
                    "You cannot remove the last policy attached to the specified target.",
                )
            return [name for name in names if name != policy.fields.id]

        await change_attached(self._tree, organization, target, change)
        return {}

    async def list_policies(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        target = self._tree.target(organization, check_form(call.parameters["TargetId"], ROOT, ACCOUNT, UNIT))
        kind = kind_of(call.parameters["Filter"])
        found = self._tree.attached(organization, target, kind.name)
        return page("Policies", [policy_summary(organization, policy) for policy in found], call)

    async def list_targets(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        policy = self._tree.policy(organization, check_form(call.parameters["PolicyId"], POLICY), POLICY_NOT_READ)
        found = self._tree.targets_of(organization, policy.fields.id)
        return page("Targets", [target_shape(organization, target) for target in found], call)

    async def describe_effective(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        kind = kind_of(call.parameters["PolicyType"])
        if kind.is_authorization:
            raise invalid(reason="INVALID_ENUM_POLICY_TYPE")
        name = check_form(call.parameters.get("TargetId") or call.account, ACCOUNT)
        if call.account not in (name, organization.fields.management):
            self._check_delegated(call)
        account = self._tree.member(organization, name, "TargetNotFoundException")
        if kind.name not in organization.fields.policy_types:
            raise missing("EffectivePolicyNotFoundException")
        levels = [
            self._tree.attached(organization, target, kind.name) for target in line(self._tree, organization, account)
        ]
        content = effective([policy.decoded for policy in level] for level in levels)
        if content is None:
            raise missing("EffectivePolicyNotFoundException")
        updated = max(policy.fields.updated_at for level in levels for policy in level)
        return {
            "EffectivePolicy": {
                "PolicyContent": msgspec.json.encode(content).decode(),
                "LastUpdatedTimestamp": moment(updated),
                "TargetId": name,
                "PolicyType": kind.name,
            }
        }

    def _check_delegated(self, call: AwsCall) -> None:
        known = self._tree.account(call.account)
        if known is None or not known.fields.delegations:
            raise denied()

    def _both(self, call: AwsCall) -> tuple[Organization, Policy, Target]:
        organization = self._tree.organization_of(call.account)
        policy_id = check_form(call.parameters["PolicyId"], POLICY)
        target_id = check_form(call.parameters["TargetId"], ROOT, ACCOUNT, UNIT)
        policy = self._tree.policy(organization, policy_id)
        return organization, policy, self._tree.target(organization, target_id)
