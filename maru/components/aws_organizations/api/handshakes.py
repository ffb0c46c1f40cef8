"""Handshakes: invitations to join, and the change to all features.

Source: AWS Organizations API reference, InviteAccountToOrganization, AcceptHandshake, EnableAllFeatures and their
like; User Guide, "Handshakes".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from maru.components.aws_organizations.api.gate import Gate, Rule, operation
from maru.components.aws_organizations.api.organization import FULL_ACCESS
from maru.components.aws_organizations.api.shapes import moment, page, read_tags
from maru.components.aws_organizations.config import OrganizationsConfig
from maru.components.aws_organizations.engine.tree import BY_EMAIL, BY_ORGANIZATION, BY_TARGET, Tree
from maru.components.aws_organizations.errors import conflict, denied, duplicate, handshake_violated, invalid, missing
from maru.components.aws_organizations.model.documents import Account, HandshakeFields, Organization
from maru.components.aws_organizations.model.names import ACCOUNT, HANDSHAKE, arn, check_form
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.clock import rfc3339_micro
from maru.core.document import Value

_INVITATION_LIFE = timedelta(days=15)
_FEATURES_LIFE = timedelta(days=90)
_ENDED = ("CANCELED", "ACCEPTED", "DECLINED", "EXPIRED")
_TO_ORGANIZATION = ("ENABLE_ALL_FEATURES",)


class Handshakes:
    """See the module."""

    def __init__(self, tree: Tree, gate: Gate, config: OrganizationsConfig) -> None:
        self._tree = tree
        self._gate = gate
        self._config = config

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        gate = self._gate
        anybody = Rule(members=True, strangers=True)
        return {
            "InviteAccountToOrganization": operation(gate, self.invite, Rule()),
            "EnableAllFeatures": operation(gate, self.enable_features, Rule()),
            "AcceptHandshake": operation(gate, self.accept, anybody),
            "DeclineHandshake": operation(gate, self.decline, anybody),
            "CancelHandshake": operation(gate, self.cancel, anybody),
            "DescribeHandshake": operation(gate, self.describe, anybody),
            "ListHandshakesForAccount": operation(gate, self.list_for_account, anybody),
            "ListHandshakesForOrganization": operation(gate, self.list_for_organization, Rule()),
        }

    async def invite(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        target, kind = call.parameters["Target"]["Id"], call.parameters["Target"]["Type"]
        account = self._invited(target, kind)
        if kind == "ACCOUNT" and account is None:
            raise missing("AccountNotFoundException")
        if account is not None and account.fields.organization:
            code = "ALREADY_IN_AN_ORGANIZATION"
            raise handshake_violated(code, "The invited account is already a member of an organization.")
        if len(self._tree.members(organization)) >= self._config.accounts_max:
            code = "ACCOUNT_NUMBER_LIMIT_EXCEEDED"
            raise handshake_violated(code, "You have exceeded the number of accounts of the organization.")
        if any(self._is_open(one) and one.action == "INVITE" for one in self._to(target, organization)):
            raise duplicate("DuplicateHandshakeException", "An open handshake with the target exists already.")
        fields = self._fields(organization, "INVITE", "OPEN", target, kind)
        fields |= {"notes": call.parameters.get("Notes") or "", "tags": read_tags(call.parameters.get("Tags"))}
        return {"Handshake": self._shape(await self._put(fields))}

    def _invited(self, target: str, kind: str) -> Account | None:
        if kind == "ACCOUNT":
            return self._tree.account(check_form(target, ACCOUNT))
        if kind != "EMAIL":
            raise invalid(
                "You specified the wrong type of entity (account, organization, or email) as a party.",
                "INVALID_PARTY_TYPE_TARGET",
            )
        if "@" not in target:
            raise invalid("You provided an email address that is not valid.", "INVALID_EMAIL_ADDRESS_TARGET")
        found = self._tree.shelves.accounts.by_index(BY_EMAIL, target.lower())
        return found[0] if found else None

    async def enable_features(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        if organization.fields.feature_set == "ALL":
            code = "ORGANIZATION_ALREADY_HAS_ALL_FEATURES"
            raise handshake_violated(code, "The organization already has all features enabled.")
        if any(self._is_open(one) and one.action == "ENABLE_ALL_FEATURES" for one in self._of(organization)):
            code = "ORGANIZATION_IS_ALREADY_PENDING_ALL_FEATURES_MIGRATION"
            raise handshake_violated(code, "The organization is already being changed to all features.")
        invited = [
            account for account in self._tree.members(organization)[1:] if account.fields.joined_method == "INVITED"
        ]
        state = "REQUESTED" if invited else "OPEN"
        own = organization.fields.id
        parent = await self._put(self._fields(organization, "ENABLE_ALL_FEATURES", state, own, "ORGANIZATION"))
        for account in invited:
            fields = self._fields(organization, "APPROVE_ALL_FEATURES", "OPEN", account.fields.id, "ACCOUNT")
            await self._put({**fields, "parent": parent.id})
        return {"Handshake": self._shape(parent)}

    async def accept(self, call: AwsCall) -> Members:
        handshake = self._recipients(call)
        organization = self._tree.shelves.organizations.get("", handshake.organization)
        if organization is None:
            raise missing("HandshakeNotFoundException")
        if handshake.action == "INVITE":
            await self._join(call, organization, handshake)
        handshake = await self._move(handshake, "ACCEPTED")
        if handshake.action == "APPROVE_ALL_FEATURES":
            await self._open_parent(handshake)
        elif handshake.action == "ENABLE_ALL_FEATURES":
            await self._tree.change_organization(organization.fields.id, lambda _: {"featureSet": "ALL"})
        return {"Handshake": self._shape(handshake)}

    async def _join(self, call: AwsCall, organization: Organization, handshake: HandshakeFields) -> None:
        def change(fresh: Account) -> Value:
            if fresh.fields.organization:
                code = "ALREADY_IN_AN_ORGANIZATION"
                raise handshake_violated(code, "The account is already a member of an organization.")
            return {
                "organization": organization.fields.id,
                "parent": organization.fields.root,
                "joinedAt": self._tree.stamp(),
                "joinedMethod": "INVITED",
                "policies": FULL_ACCESS,
                "tags": handshake.tags,
            }

        await self._tree.change_account(call.account, change)

    async def _open_parent(self, handshake: HandshakeFields) -> None:
        """All members have approved: the management account can finish."""
        parent = self._tree.shelves.handshakes.get("", handshake.parent)
        siblings = [one for one in self._tree.shelves.handshakes.list() if one.parent == handshake.parent]
        if parent is not None and all(one.state == "ACCEPTED" for one in siblings):
            await self._tree.shelves.handshakes.patch("", parent.id, {"spec": {"state": "OPEN"}})

    async def decline(self, call: AwsCall) -> Members:
        return {"Handshake": self._shape(await self._move(self._recipients(call), "DECLINED"))}

    async def cancel(self, call: AwsCall) -> Members:
        handshake = self._named(call)
        if call.account != handshake.management:
            raise denied()
        self._check_open(handshake, "CANCELED")
        return {"Handshake": self._shape(await self._move(handshake, "CANCELED"))}

    async def describe(self, call: AwsCall) -> Members:
        handshake = self._named(call)
        if call.account != handshake.management and not self._is_to(call.account, handshake):
            raise missing("HandshakeNotFoundException")
        return {"Handshake": self._shape(handshake)}

    async def list_for_account(self, call: AwsCall) -> Members:
        known = self._tree.account(call.account)
        names = {call.account, known.fields.email.lower() if known is not None else ""}
        found = [one for name in names for one in self._tree.shelves.handshakes.by_index(BY_TARGET, name)]
        return page("Handshakes", self._shown(call, found), call)

    async def list_for_organization(self, call: AwsCall) -> Members:
        return page("Handshakes", self._shown(call, self._of(self._tree.organization_of(call.account))), call)

    def _shown(self, call: AwsCall, found: Sequence[HandshakeFields]) -> Sequence[Members]:
        given: Members = call.parameters.get("Filter") or {}
        action, parent = given.get("ActionType"), given.get("ParentHandshakeId")
        chosen = [one for one in found if action in (None, one.action) and parent in (None, one.parent)]
        return [self._shape(one) for one in sorted(chosen, key=lambda one: (one.requested_at, one.id))]

    def _of(self, organization: Organization) -> Sequence[HandshakeFields]:
        return self._tree.shelves.handshakes.by_index(BY_ORGANIZATION, organization.fields.id)

    def _to(self, target: str, organization: Organization) -> Sequence[HandshakeFields]:
        found = self._tree.shelves.handshakes.by_index(BY_TARGET, target.lower())
        return [one for one in found if one.organization == organization.fields.id]

    def _named(self, call: AwsCall) -> HandshakeFields:
        handshake = self._tree.shelves.handshakes.get("", check_form(call.parameters["HandshakeId"], HANDSHAKE))
        if handshake is None:
            raise missing("HandshakeNotFoundException")
        return handshake

    def _recipients(self, call: AwsCall) -> HandshakeFields:
        """The handshake that the caller may answer. Raises Denied, Conflict."""
        handshake = self._named(call)
        if not self._is_to(call.account, handshake):
            raise denied()
        self._check_open(handshake, "ACCEPTED")
        return handshake

    def _is_to(self, account: str, handshake: HandshakeFields) -> bool:
        if handshake.action in _TO_ORGANIZATION:
            return account == handshake.management
        known = self._tree.account(account)
        email = known.fields.email.lower() if known is not None else ""
        return handshake.target == account or (handshake.target_type == "EMAIL" and handshake.target.lower() == email)

    def _is_open(self, handshake: HandshakeFields) -> bool:
        return self._state(handshake) not in _ENDED

    def _state(self, handshake: HandshakeFields) -> str:
        """What is stored, or EXPIRED when its time is over."""
        expires = moment(handshake.expires_at)
        if handshake.state not in _ENDED and expires is not None and expires <= self._tree.clock.now():
            return "EXPIRED"
        return handshake.state

    def _check_open(self, handshake: HandshakeFields, wanted: str) -> None:
        state = self._state(handshake)
        if state == wanted:
            raise conflict(
                "HandshakeAlreadyInStateException", "The specified handshake is already in the requested state."
            )
        if state in _ENDED or (state == "REQUESTED" and wanted == "ACCEPTED"):
            text = "You can't perform the operation on the handshake in its current state."
            raise conflict("InvalidHandshakeTransitionException", text)

    async def _move(self, handshake: HandshakeFields, state: str) -> HandshakeFields:
        self._check_open(handshake, state)
        return await self._tree.shelves.handshakes.patch("", handshake.id, {"spec": {"state": state}})

    def _fields(self, organization: Organization, action: str, state: str, target: str, kind: str) -> Value:
        now = self._tree.clock.now()
        life = _INVITATION_LIFE if action == "INVITE" else _FEATURES_LIFE
        return {
            "id": f"h-{self._tree.ids.suffix(32)}",
            "organization": organization.fields.id,
            "management": organization.fields.management,
            "action": action,
            "state": state,
            "target": target,
            "targetType": kind,
            "requestedAt": rfc3339_micro(now),
            "expiresAt": rfc3339_micro(now + life),
        }

    async def _put(self, fields: Value) -> HandshakeFields:
        return await self._tree.shelves.handshakes.create({"metadata": {"name": fields["id"]}, "spec": fields})

    def _shape(self, handshake: HandshakeFields) -> Members:
        own = handshake.organization
        parties = [{"Id": own.removeprefix("o-"), "Type": "ORGANIZATION"}]
        if handshake.target_type != "ORGANIZATION":
            parties.append({"Id": handshake.target, "Type": handshake.target_type})
        return {
            "Id": handshake.id,
            "Arn": arn(handshake.management, "handshake", own, handshake.action.lower(), handshake.id),
            "Parties": parties,
            "State": self._state(handshake),
            "RequestedTimestamp": moment(handshake.requested_at),
            "ExpirationTimestamp": moment(handshake.expires_at),
            "Action": handshake.action,
            "Resources": self._resources(handshake),
        }

    def _resources(self, handshake: HandshakeFields) -> Sequence[Members]:
        organization = self._tree.shelves.organizations.get("", handshake.organization)
        management = self._tree.account(handshake.management)
        inner = []
        if management is not None and organization is not None:
            inner = [
                {"Type": "MASTER_EMAIL", "Value": management.fields.email},
                {"Type": "MASTER_NAME", "Value": management.fields.name},
                {"Type": "ORGANIZATION_FEATURE_SET", "Value": organization.fields.feature_set},
            ]
        resources: list[Members] = [{"Type": "ORGANIZATION", "Value": handshake.organization, "Resources": inner}]
        if handshake.target_type != "ORGANIZATION":
            resources.append({"Type": handshake.target_type, "Value": handshake.target})
        if handshake.parent:
            resources.append({"Type": "PARENT_HANDSHAKE", "Value": handshake.parent})
        if handshake.notes:
            resources.append({"Type": "NOTES", "Value": handshake.notes})
        return resources
