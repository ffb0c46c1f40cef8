"""Tags of accounts, units, the root, policies and the resource policy.

Source: AWS Organizations API reference, TagResource, UntagResource, ListTagsForResource.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_organizations.api.gate import Gate, Rule, operation
from maru.components.aws_organizations.api.shapes import page, read_tags, tag_list
from maru.components.aws_organizations.engine.tree import Tree
from maru.components.aws_organizations.errors import missing, violated
from maru.components.aws_organizations.model.documents import Account, Organization, Policy, Unit
from maru.components.aws_organizations.model.names import check_taggable
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value
from maru.core.errors import NotFound

_TAGS_MAX = 50


class Tags:
    """See the module."""

    def __init__(self, tree: Tree, gate: Gate) -> None:
        self._tree = tree
        self._gate = gate

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        gate = self._gate
        return {
            "TagResource": operation(gate, self.tag, Rule("ResourceId")),
            "UntagResource": operation(gate, self.untag, Rule("ResourceId")),
            "ListTagsForResource": operation(gate, self.list_all, Rule("ResourceId")),
        }

    async def tag(self, call: AwsCall) -> Members:
        tags = read_tags(call.parameters["Tags"])
        if len({**self._tags(call), **tags}) > _TAGS_MAX:
            raise violated("MAX_TAG_LIMIT_EXCEEDED", "You have exceeded the number of tags allowed on this resource.")
        await self._change(call, dict(tags))
        return {}

    async def untag(self, call: AwsCall) -> Members:
        self._tags(call)
        await self._change(call, dict.fromkeys(call.parameters["TagKeys"]))
        return {}

    async def list_all(self, call: AwsCall) -> Members:
        return page("Tags", tag_list(self._tags(call)), call)

    def _tags(self, call: AwsCall) -> Mapping[str, str]:
        organization = self._tree.organization_of(call.account)
        found = self._found(call, organization)
        if found is None:
            return organization.fields.resource_policy_tags
        return found.fields.tags

    def _found(self, call: AwsCall, organization: Organization) -> Account | Unit | Organization | Policy | None:
        """What bears the tags; None for the resource policy. Raises NotFound (TargetNotFoundException)."""
        name = check_taggable(call.parameters["ResourceId"])
        if name.startswith("rp-"):
            if name != organization.fields.resource_policy_id:
                raise missing("TargetNotFoundException")
            return None
        if not name.startswith("p-"):
            return self._tree.target(organization, name)
        try:
            return self._tree.policy(organization, name)
        except NotFound as error:
            raise missing("TargetNotFoundException") from error

    async def _change(self, call: AwsCall, tags: Value) -> None:
        organization = self._tree.organization_of(call.account)
        found = self._found(call, organization)
        own = organization.fields.id
        if found is None:
            await self._tree.change_organization(own, lambda _: {"resourcePolicyTags": tags})
        elif isinstance(found, Organization):
            await self._tree.change_organization(own, lambda _: {"tags": tags})
        elif isinstance(found, Account):
            await self._tree.change_account(found.fields.id, lambda _: {"tags": tags})
        elif isinstance(found, Unit):
            await self._tree.change_unit(organization, found.fields.id, lambda _: {"tags": tags})
        elif not found.is_managed:
            await self._tree.shelves.policies.patch("", found.fields.id, {"spec": {"tags": tags}})
        else:
            raise missing("TargetNotFoundException")
