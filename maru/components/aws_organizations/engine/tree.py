"""Accounts, organizations, units and policies in memory, and how they stand to each other.

Reads are local; lists are in the order in which things were made. A write of one document is conditional on
the version that was read, and is thought over again when another came first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from maru.components.aws_organizations.errors import missing, not_in_use
from maru.components.aws_organizations.model.documents import (
    Account,
    HandshakeFields,
    Organization,
    OrganizationFields,
    Policy,
    PolicyFields,
    RequestFields,
    Unit,
)
from maru.components.aws_organizations.model.kinds import MANAGED
from maru.core.clock import Clock, rfc3339_micro
from maru.core.document import Value
from maru.core.errors import Conflict
from maru.core.ids import Ids
from maru.core.informer import Place
from maru.core.kept import Kept

BY_ORGANIZATION = "organization"
BY_PARENT = "parent"
BY_EMAIL = "email"
BY_MANAGEMENT = "management"
BY_TARGET = "target"
BY_POLICY = "policy"
_CHANGES_MAX = 8
Target = Account | Unit | Organization
"""What a policy is attached to; an Organization stands for its root."""


@dataclass(frozen=True, slots=True)
class Shelves:
    """The documents of Organizations, indexed as the tree looks by."""

    accounts: Kept[Account]
    organizations: Kept[Organization]
    units: Kept[Unit]
    policies: Kept[Policy]
    handshakes: Kept[HandshakeFields]
    requests: Kept[RequestFields]

    def index(self) -> None:
        """Once, before they are filled."""
        self.accounts.index(BY_ORGANIZATION, lambda account: [account.fields.organization])
        self.accounts.index(BY_PARENT, lambda account: [account.fields.parent])
        self.accounts.index(BY_EMAIL, lambda account: [account.fields.email.lower()])
        self.accounts.index(BY_POLICY, lambda account: account.fields.policies)
        self.units.index(BY_ORGANIZATION, lambda unit: [unit.fields.organization])
        self.units.index(BY_PARENT, lambda unit: [unit.fields.parent])
        self.units.index(BY_POLICY, lambda unit: unit.fields.policies)
        self.organizations.index(BY_MANAGEMENT, lambda organization: [organization.fields.management])
        self.policies.index(BY_ORGANIZATION, lambda policy: [policy.fields.organization])
        self.handshakes.index(BY_ORGANIZATION, lambda handshake: [handshake.organization])
        self.handshakes.index(BY_TARGET, lambda handshake: [handshake.target.lower()])
        self.requests.index(BY_ORGANIZATION, lambda request: [request.organization])


class Tree:
    """See the module."""

    def __init__(self, shelves: Shelves, clock: Clock, ids: Ids) -> None:
        self.shelves = shelves
        self.clock = clock
        self.ids = ids
        self.shapes: dict[str, Value] = {}  # of accounts as they are shown, until anything changes; never changed
        self._members: dict[str, Sequence[Account]] = {}
        for kept in (shelves.accounts, shelves.organizations, shelves.units):
            kept.on_change(self._forget)

    def _forget(self, place: Place) -> None:
        self.shapes.clear()
        self._members.clear()

    def stamp(self) -> str:
        """Now, as documents keep it."""
        return rfc3339_micro(self.clock.now())

    def account(self, account: str) -> Account | None:
        """An account, in whichever organization it is or in none."""
        return self.shelves.accounts.get("", account)

    def organization_of(self, account: str) -> Organization:
        """The organization that an account is in. Raises NotFound (AWSOrganizationsNotInUseException)."""
        found = self.find_organization_of(account)
        if found is None:
            raise not_in_use()
        return found

    def find_organization_of(self, account: str) -> Organization | None:
        """The organization that an account is in."""
        known = self.account(account)
        if known is None or not known.fields.organization:
            return None
        return self.shelves.organizations.get("", known.fields.organization)

    def member(self, organization: Organization, account: str, code: str = "AccountNotFoundException") -> Account:
        """An account of the organization. Raises NotFound with `code`."""
        found = self.account(account)
        if found is None or found.fields.organization != organization.fields.id:
            raise missing(code)
        return found

    def members(self, organization: Organization) -> Sequence[Account]:
        """All its accounts, the management account first, then as they joined."""
        own, management = organization.fields.id, organization.fields.management
        members = self._members.get(own)
        if members is None:
            found = self.shelves.accounts.by_index(BY_ORGANIZATION, own)
            members = sorted(found, key=lambda one: (one.fields.id != management, one.fields.joined_at, one.fields.id))
            self._members[own] = members
        return members

    def unit(self, organization: Organization, unit: str, code: str = "OrganizationalUnitNotFoundException") -> Unit:
        """A unit of the organization. Raises NotFound with `code`."""
        found = self.shelves.units.get("", unit)
        if found is None or found.fields.organization != organization.fields.id:
            raise missing(code)
        return found

    def units(self, organization: Organization) -> Sequence[Unit]:
        """All its units, as they were made."""
        found = self.shelves.units.by_index(BY_ORGANIZATION, organization.fields.id)
        return sorted(found, key=lambda unit: (unit.fields.created_at, unit.fields.id))

    def check_parent(self, organization: Organization, parent: str, code: str = "ParentNotFoundException") -> str:
        """`parent`, if it is the root or a unit of the organization. Raises NotFound with `code`."""
        if parent != organization.fields.root:
            self.unit(organization, parent, code)
        return parent

    def accounts_in(self, organization: Organization, parent: str) -> Sequence[Account]:
        """The accounts right under a parent, as they joined."""
        return [account for account in self.members(organization) if account.fields.parent == parent]

    def units_in(self, parent: str) -> Sequence[Unit]:
        """The units right under a parent, as they were made."""
        found = self.shelves.units.by_index(BY_PARENT, parent)
        return sorted(found, key=lambda unit: (unit.fields.created_at, unit.fields.id))

    def path(self, organization: Organization, parent: str) -> Sequence[str]:
        """The IDs from the root down to `parent`, both included."""
        above = [parent]
        while above[-1] != organization.fields.root:
            above.append(self.unit(organization, above[-1]).fields.parent)
        return above[::-1]

    def target(self, organization: Organization, target: str) -> Target:
        """What a policy can be attached to, by its ID. Raises NotFound (TargetNotFoundException)."""
        if target == organization.fields.root:
            return organization
        if target.isdigit():
            return self.member(organization, target, "TargetNotFoundException")
        return self.unit(organization, target, "TargetNotFoundException")

    def policy(self, organization: Organization, policy: str, text: str = "") -> Policy:
        """A policy of the organization, or AWS's own. Raises NotFound, saying `text`."""
        managed = managed_policy(policy)
        if managed is not None:
            return managed
        found = self.shelves.policies.get("", policy)
        if found is None or found.fields.organization != organization.fields.id:
            raise missing("PolicyNotFoundException", text)
        return found

    def policies(self, organization: Organization, kind: str) -> Sequence[Policy]:
        """All of a type, as they were made; AWS's own first."""
        own = [
            policy
            for policy in self.shelves.policies.by_index(BY_ORGANIZATION, organization.fields.id)
            if policy.fields.type == kind
        ]
        own.sort(key=lambda policy: (policy.fields.created_at, policy.fields.id))
        managed = [managed_policy(name) for name, (type_name, *_) in MANAGED.items() if type_name == kind]
        return [*(policy for policy in managed if policy is not None), *own]

    def attached(self, organization: Organization, target: Target, kind: str) -> Sequence[Policy]:
        """The policies of a type that are attached right to a target, in the order of attachment."""
        found = []
        for name in target.fields.policies:
            policy = managed_policy(name) or self.shelves.policies.get("", name)
            if policy is not None and policy.fields.type == kind:
                found.append(policy)
        return found

    def targets_of(self, organization: Organization, policy: str) -> Sequence[Target]:
        """What a policy is attached to: the root first, then units, then accounts."""
        root: list[Target] = [organization] if policy in organization.fields.policies else []
        units = [unit for unit in self.units(organization) if policy in unit.fields.policies]
        accounts = [account for account in self.members(organization) if policy in account.fields.policies]
        return [*root, *units, *accounts]

    async def change_account(self, account: str, change: Callable[[Account], Value]) -> Account:
        """Patch the spec by what `change` answers for the account as it is; raises what that raises."""
        for _ in range(_CHANGES_MAX):
            fresh = self.account(account)
            if fresh is None:
                raise missing("AccountNotFoundException")
            patch = {"metadata": {"resourceVersion": fresh.version}, "spec": change(fresh)}
            try:
                return await self.shelves.accounts.patch("", account, patch)
            except Conflict:
                continue
        raise _contended()

    async def change_organization(
        self, organization: str, change: Callable[[OrganizationFields], Value]
    ) -> Organization:
        """As change_account, of an organization."""
        for _ in range(_CHANGES_MAX):
            fresh = self.shelves.organizations.get("", organization)
            if fresh is None:
                raise not_in_use()
            patch = {"metadata": {"resourceVersion": fresh.version}, "spec": change(fresh.fields)}
            try:
                return await self.shelves.organizations.patch("", organization, patch)
            except Conflict:
                continue
        raise _contended()

    async def change_unit(self, organization: Organization, unit: str, change: Callable[[Unit], Value]) -> Unit:
        """As change_account, of a unit."""
        for _ in range(_CHANGES_MAX):
            fresh = self.unit(organization, unit)
            patch = {"metadata": {"resourceVersion": fresh.version}, "spec": change(fresh)}
            try:
                return await self.shelves.units.patch("", unit, patch)
            except Conflict:
                continue
        raise _contended()


@cache
def managed_policy(policy: str) -> Policy | None:
    """AWS's own policy by its ID."""
    if policy not in MANAGED:
        return None
    kind, name, description, content = MANAGED[policy]
    fields = PolicyFields(policy, "", kind, name, description, content, "", "")
    return Policy(fields, msgspec.json.decode(content), is_managed=True)


def _contended() -> Conflict:
    text = "The target of the operation is currently being modified by a different request. Try again later."
    return Conflict(what=text, why="", code="ConcurrentModificationException")
