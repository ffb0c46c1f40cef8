"""What binds an account: asked by the policy engine about every request, so answered from a table.

The table is thrown away whenever an account, unit, organization or policy changes.
Source: AWS Organizations User Guide, "SCP evaluation", "RCP evaluation": every level from the root down must allow.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.aws_organizations.engine.tree import Target, Tree
from maru.components.aws_organizations.model.documents import Account, Organization
from maru.components.aws_organizations.model.kinds import SCP
from maru.contracts.aws_access import OrganizationTold, Policy
from maru.core.informer import Place

CLOSED: tuple[str, Policy] = (
    "p-ClosedAccount",
    {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}},
)
"""What binds an account that was closed: nobody in it may do anything."""

Levels = Sequence[Sequence[tuple[str, Policy]]]


class OrganizationGuardrails:
    """As contracts.aws_access.Guardrails."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._levels: dict[tuple[str, str], Levels] = {}
        shelves = tree.shelves
        shelves.accounts.on_change(self._forget)
        shelves.organizations.on_change(self._forget)
        shelves.units.on_change(self._forget)
        shelves.policies.on_change(self._forget)

    def _forget(self, place: Place) -> None:
        self._levels.clear()

    def above(self, account: str, kind: str) -> Levels:
        """See the contract."""
        key = (account, kind)
        levels = self._levels.get(key)
        if levels is None:
            levels = self._levels[key] = self._compute(account, kind)
        return levels

    def organization_of(self, account: str) -> str:
        """See the contract."""
        organization = self._tree.find_organization_of(account)
        return organization.fields.id if organization is not None else ""

    def told_of(self, account: str) -> OrganizationTold | None:
        """See the contract."""
        organization = self._tree.find_organization_of(account)
        if organization is None:
            return None
        fields = organization.fields
        return OrganizationTold(fields.id, fields.management, frozenset(fields.services), fields.feature_set == "ALL")

    def path_of(self, account: str) -> str:
        """See the contract."""
        organization, known = self._tree.find_organization_of(account), self._tree.account(account)
        if organization is None or known is None:
            return ""
        return "/".join((organization.fields.id, *self._tree.path(organization, known.fields.parent), ""))

    def _compute(self, account: str, kind: str) -> Levels:
        organization, known = self._tree.find_organization_of(account), self._tree.account(account)
        if known is not None and known.fields.status != "ACTIVE" and kind == SCP:
            return [[CLOSED]]
        if organization is None or known is None or account == organization.fields.management:
            return ()
        if organization.fields.feature_set != "ALL" or kind not in organization.fields.policy_types:
            return ()
        return [self._attached(organization, target, kind) for target in line(self._tree, organization, known)]

    def _attached(self, organization: Organization, target: Target, kind: str) -> Sequence[tuple[str, Policy]]:
        return [(policy.fields.id, policy.decoded) for policy in self._tree.attached(organization, target, kind)]


def line(tree: Tree, organization: Organization, account: Account) -> Sequence[Target]:
    """From the root down to the account."""
    units = [tree.unit(organization, name) for name in tree.path(organization, account.fields.parent)[1:]]
    return [organization, *units, account]
