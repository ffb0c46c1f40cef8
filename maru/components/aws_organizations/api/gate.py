"""Who may call what: the management account, its delegated administrators, and members about themselves.

Source: AWS Organizations API reference, "This operation can be called only from ..."; User Guide, "Delegated
administrator for AWS Organizations"; Service Authorization Reference, "AWS Organizations".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from maru.components.aws_organizations.engine.tree import Tree
from maru.components.aws_organizations.errors import denied
from maru.components.aws_organizations.model.documents import Organization
from maru.components.aws_organizations.model.names import arn
from maru.contracts.aws_access import Fact, Question
from maru.contracts.aws_service import AwsCall, AwsOperation, Members

Perform = Callable[[AwsCall], Awaitable[Members]]
_READS = ("Describe", "List")


@dataclass(frozen=True, slots=True)
class Rule:
    """Which accounts may call an operation, and about what.

    members: any account of the organization may; strangers: an account of no organization may, too. about: the
    name of the parameter whose resource is asked about, "" for none.
    """

    about: str = ""
    members: bool = False
    strangers: bool = False


class Gate:
    """Makes the questions of each operation."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def asks(self, rule: Rule) -> Callable[[AwsCall], Sequence[Question]]:
        """What is to be allowed before an operation under `rule`."""
        return lambda call: [self._question(call, rule)]

    def _question(self, call: AwsCall, rule: Rule) -> Question:
        action = f"organizations:{call.operation}"
        facts = _facts(call.parameters)
        organization = self._tree.find_organization_of(call.account)
        if organization is None:
            if not rule.strangers:
                self._tree.organization_of(call.account)
            return Question(action, facts=facts)
        resource = self._resource(organization, call.parameters.get(rule.about) if rule.about else None)
        management = organization.fields.management
        if call.account == management or rule.members:
            return Question(action, resource, facts=facts)
        if self._is_delegated(call.account) and call.operation.startswith(_READS):
            return Question(action, resource, facts=facts)
        policy = organization.fields.resource_policy
        if not policy:
            raise denied()
        return Question(action, resource, management, msgspec.json.decode(policy), facts=facts)

    def _is_delegated(self, account: str) -> bool:
        known = self._tree.account(account)
        return known is not None and bool(known.fields.delegations)

    def _resource(self, organization: Organization, named: object) -> str:
        if not isinstance(named, str):
            return "*"
        return resource_arn(self._tree, organization, named)


def resource_arn(tree: Tree, organization: Organization, named: str) -> str:
    """The ARN of something in an organization by its ID; "*" if the ID is of no known kind."""
    management, own = organization.fields.management, organization.fields.id
    if named.isdigit():
        return arn(management, "account", own, named)
    for prefix, kind in (("r-", "root"), ("ou-", "ou"), ("rp-", "resourcepolicy")):
        if named.startswith(prefix):
            return arn(management, kind, own, named)
    if named.startswith("p-"):
        policy = tree.shelves.policies.get("", named)
        if policy is not None and policy.fields.organization == own:
            return arn(management, "policy", own, policy.fields.type.lower(), named)
    return "*"


def operation(gate: Gate, perform: Perform, rule: Rule) -> AwsOperation:
    """An operation with its questions."""
    return AwsOperation(perform, gate.asks(rule))


def _facts(given: Members) -> Mapping[str, Fact]:
    facts: dict[str, Fact] = {}
    for name in ("PolicyType", "ServicePrincipal"):
        if given.get(name):
            facts[f"organizations:{name}"] = given[name]
    if given.get("Type"):
        facts["organizations:PolicyType"] = given["Type"]
    tags = given.get("Tags") or []
    for tag in tags:
        facts[f"aws:RequestTag/{tag['Key']}"] = tag["Value"]
    names = [tag["Key"] for tag in tags] or given.get("TagKeys")
    if names:
        facts["aws:TagKeys"] = tuple(names)
    return facts
