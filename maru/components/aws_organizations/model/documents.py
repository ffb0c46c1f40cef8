"""The documents of Organizations: accounts, organizations, units, policies, handshakes, requests for accounts.

All are cluster-scoped: an account is there whether it is in an organization or not. What is attached stands
at its target, so that leaving takes every attachment along in one write. Times are RFC 3339 in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from maru.core.document import Resource, Value
from maru.kinds.aws import ACCOUNTS
from maru.kinds.aws import ORGANIZATIONS as GROUP
from maru.kinds.custom import definition

ORGANIZATIONS = Resource(GROUP, "v1", "organizations", "Organization", namespaced=False)
UNITS = Resource(GROUP, "v1", "organizationalunits", "OrganizationalUnit", namespaced=False)
POLICIES = Resource(GROUP, "v1", "policies", "Policy", namespaced=False)
HANDSHAKES = Resource(GROUP, "v1", "handshakes", "Handshake", namespaced=False)
REQUESTS = Resource(GROUP, "v1", "accountrequests", "AccountRequest", namespaced=False)


class AccountFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of an Account. role_name: the role its management account assumes, "" for none.

    management: the account that made it, which its role trusts. organization, parent, joined_*: "" while it is
    in none; method: CREATED or INVITED. delegations: when it became administrator, by service principal.
    """

    id: str
    name: str
    email: str
    created_at: str = ""
    role_name: str = ""
    management: str = ""
    status: str = "ACTIVE"
    organization: str = ""
    parent: str = ""
    joined_at: str = ""
    joined_method: str = ""
    policies: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    delegations: dict[str, str] = {}


class OrganizationFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of an Organization. policies, tags: of its root; services: when trusted, by principal.

    policy_types: those that are enabled. resource_policy: its content, "" for none.
    """

    id: str
    root: str
    management: str
    created_at: str
    feature_set: str = "ALL"
    policy_types: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    services: dict[str, str] = {}
    resource_policy: str = ""
    resource_policy_id: str = ""
    resource_policy_tags: dict[str, str] = {}


class UnitFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of an OrganizationalUnit. parent: a unit's or the root's ID."""

    id: str
    name: str
    organization: str
    parent: str
    created_at: str
    policies: tuple[str, ...] = ()
    tags: dict[str, str] = {}


class PolicyFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a Policy. type: SERVICE_CONTROL_POLICY and so on; content: as it was given."""

    id: str
    organization: str
    type: str
    name: str
    description: str
    content: str
    created_at: str
    updated_at: str
    tags: dict[str, str] = {}


class HandshakeFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a Handshake. target_type: ACCOUNT, EMAIL or ORGANIZATION; parent: the handshake it is part of."""

    id: str
    organization: str
    management: str
    action: str
    state: str
    target: str
    target_type: str
    requested_at: str
    expires_at: str
    notes: str = ""
    parent: str = ""
    tags: dict[str, str] = {}


class RequestFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of an AccountRequest: what CreateAccount was asked, and what came of it."""

    id: str
    organization: str
    name: str
    state: str
    requested_at: str
    completed_at: str = ""
    account: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """An account as read. has_role: its role is there. version: for conditional writes."""

    fields: AccountFields
    version: str
    has_role: bool


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization as read. version: for conditional writes."""

    fields: OrganizationFields
    version: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as read. version: for conditional writes."""

    fields: UnitFields
    version: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as read. decoded: its content; is_managed: it is AWS's own."""

    fields: PolicyFields
    decoded: Value
    is_managed: bool = False


def read_account(document: Value) -> Account:
    """Raises msgspec.ValidationError for a document that is none; so do the others."""
    fields = msgspec.convert(document["spec"], AccountFields)
    return Account(fields, _version(document), bool((document.get("status") or {}).get("role")))


def read_organization(document: Value) -> Organization:
    """See read_account."""
    return Organization(msgspec.convert(document["spec"], OrganizationFields), _version(document))


def read_unit(document: Value) -> Unit:
    """See read_account."""
    return Unit(msgspec.convert(document["spec"], UnitFields), _version(document))


def read_policy(document: Value) -> Policy:
    """See read_account."""
    fields = msgspec.convert(document["spec"], PolicyFields)
    try:
        decoded = msgspec.json.decode(fields.content)
    except msgspec.DecodeError as error:
        raise msgspec.ValidationError(f"content: {error}") from error
    return Policy(fields, decoded)


def read_handshake(document: Value) -> HandshakeFields:
    """See read_account."""
    return msgspec.convert(document["spec"], HandshakeFields)


def read_request(document: Value) -> RequestFields:
    """See read_account."""
    return msgspec.convert(document["spec"], RequestFields)


def definitions() -> Mapping[Resource, Value]:
    """The custom kinds of Organizations."""
    named = ("Id", ".spec.id"), ("Name", ".spec.name"), ("Parent", ".spec.parent")
    return {
        ACCOUNTS: definition(ACCOUNTS, AccountFields, [*named, ("Status", ".spec.status")]),
        ORGANIZATIONS: definition(
            ORGANIZATIONS,
            OrganizationFields,
            [("Id", ".spec.id"), ("Management", ".spec.management"), ("Features", ".spec.featureSet")],
        ),
        UNITS: definition(UNITS, UnitFields, named),
        POLICIES: definition(POLICIES, PolicyFields, [*named[:2], ("Type", ".spec.type")]),
        HANDSHAKES: definition(
            HANDSHAKES,
            HandshakeFields,
            [("Action", ".spec.action"), ("Target", ".spec.target"), ("State", ".spec.state")],
        ),
        REQUESTS: definition(
            REQUESTS, RequestFields, [*named[:2], ("State", ".spec.state"), ("Account", ".spec.account")]
        ),
    }


def _version(document: Value) -> str:
    version: str = document["metadata"].get("resourceVersion", "")
    return version
