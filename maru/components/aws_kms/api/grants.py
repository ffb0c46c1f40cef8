"""Grants: made, listed, retired, revoked.

A grant is in force when CreateGrant answers, so a grant token adds nothing; it must only be one.
Source: AWS KMS API reference, CreateGrant, ListGrants, ListRetirableGrants, RetireGrant, RevokeGrant; KMS
Developer Guide, "Grants in AWS KMS".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from maru.components.aws_kms.api.gate import Access, Gate
from maru.components.aws_kms.api.pages import page
from maru.components.aws_kms.api.vault import BY_RETIRING, Target, Vault
from maru.components.aws_kms.errors import coded, dry_run, invalid, limit_exceeded, not_found, unsupported
from maru.components.aws_kms.model.documents import Grant, GrantFields, Key, key_arn, moment
from maru.components.aws_kms.model.grants import CONSTRAINED, check_operations
from maru.components.aws_kms.model.specs import SYMMETRIC
from maru.components.aws_kms.model.states import check_usable
from maru.contracts.aws_access import AwsCaller, CallerKind, Fact
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value
from maru.kinds.aws import document_name, namespace_of

_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:(iam|sts)::\d{12}:(root|(user|role|federated-user|assumed-role)/.+)|\d{12}")


class Grants:
    """See the module."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "CreateGrant": AwsOperation(self.create),
            "ListGrants": AwsOperation(self.list),
            "ListRetirableGrants": AwsOperation(self.list_retirable),
            "RetireGrant": AwsOperation(self.retire),
            "RevokeGrant": AwsOperation(self.revoke),
        }

    async def create(self, call: AwsCall) -> Members:
        given = call.parameters
        target = self._vault.find(call.account, call.region, given["KeyId"], takes_alias=False)
        key = target.key
        self._gate.allow(call, target, "CreateGrant", Access(_facts(given), tokens=given.get("GrantTokens") or ()))
        fields = _fields(given, call, key)
        check_operations(key, fields["operations"])
        check_usable(key)
        on_key = self._vault.grants_on(key)
        if len(on_key) >= self._vault.tools.config.grants_max:
            raise limit_exceeded("The request was rejected because the grant quota of the KMS key was exceeded.")
        if given.get("DryRun"):
            raise dry_run()
        grant = next((have for have in on_key if fields["name"] and _is_same(have.fields, fields)), None)
        if grant is None:
            grant_id = (self._vault.tools.ids.uid() + self._vault.tools.ids.uid()).replace("-", "")
            fields |= {"grantId": grant_id, "createdAt": self._vault.stamp()}
            metadata = {"namespace": namespace_of(key.account), "name": document_name(call.region, grant_id)}
            grant = await self._vault.grants.create({"metadata": metadata, "spec": fields})
        return {"GrantToken": self._vault.token_of(grant), "GrantId": grant.fields.grant_id}

    async def list(self, call: AwsCall) -> Members:
        given = call.parameters
        target = self._vault.find(call.account, call.region, given["KeyId"], takes_alias=False)
        self._gate.allow(call, target, "ListGrants")
        every = [
            _entry(grant)
            for grant in self._vault.grants_on(target.key)
            if given.get("GrantId") in (None, grant.fields.grant_id)
            and given.get("GranteePrincipal") in (None, grant.fields.grantee)
            and given.get("GranteeServicePrincipal") in (None, grant.fields.grantee_service)
        ]
        return page("Grants", every, call, limit=50, limit_max=100)

    async def list_retirable(self, call: AwsCall) -> Members:
        given = call.parameters
        principal, service = given.get("RetiringPrincipal"), given.get("RetiringServicePrincipal")
        if (principal is None) == (service is None):
            raise invalid("You must specify either RetiringPrincipal or RetiringServicePrincipal, but not both.")
        if service is not None and call.caller.kind is not CallerKind.SERVICE:
            raise coded("NotAuthorizedException")
        self._gate.allow_alone(call, "ListRetirableGrants", principal or "*")
        every = [
            _entry(grant)
            for grant in self._vault.grants.by_index(BY_RETIRING, str(principal or service))
            if grant.fields.region == call.region
        ]
        return page("Grants", every, call, limit=50, limit_max=100)

    async def retire(self, call: AwsCall) -> Members:
        given = call.parameters
        token, reference, grant_id = given.get("GrantToken"), given.get("KeyId"), given.get("GrantId")
        if token and not reference and not grant_id:
            grant = self._vault.grant_of_token(token)
            if grant is None:
                raise coded("InvalidGrantTokenException")
        elif reference and grant_id and not token:
            key = self._vault.find(call.account, call.region, reference, takes_alias=False).key
            grant = self._find(key, grant_id)
        else:
            raise invalid("Either grant token or key ID and grant ID must be specified.")
        if not _may_retire(call.caller, grant):
            target = Target(self._vault.key_of(grant.account, grant.fields.region, grant.fields.key_id))
            self._gate.allow(call, target, "RetireGrant")
        return await self._end(call, grant)

    async def revoke(self, call: AwsCall) -> Members:
        given = call.parameters
        target = self._vault.find(call.account, call.region, given["KeyId"], takes_alias=False)
        self._gate.allow(call, target, "RevokeGrant")
        return await self._end(call, self._find(target.key, given["GrantId"]))

    def _find(self, key: Key, grant_id: str) -> Grant:
        name = document_name(key.fields.region, grant_id)
        grant = self._vault.grants.get(namespace_of(key.account), name)
        if grant is None or grant.fields.key_id != key.fields.key_id:
            raise not_found(f"Grant ID {grant_id} not found")
        return grant

    async def _end(self, call: AwsCall, grant: Grant) -> Members:
        if call.parameters.get("DryRun"):
            raise dry_run()
        await self._vault.grants.delete(namespace_of(grant.account), grant.name)
        return {}


def _fields(given: Members, call: AwsCall, key: Key) -> Value:
    """The spec of the grant. Raises Invalid."""
    constraints: Members = given.get("Constraints") or {}
    equals, subset = constraints.get("EncryptionContextEquals"), constraints.get("EncryptionContextSubset")
    if constraints.get("SourceArn"):
        raise unsupported("The grant constraint SourceArn is not supported: services here bring no source ARN.")
    if equals is not None and subset is not None:
        raise invalid("You cannot specify both EncryptionContextEquals and EncryptionContextSubset.")
    operations = tuple(dict.fromkeys(given["Operations"]))
    if not operations:
        raise invalid("Operations must not be empty.")
    if (equals or subset) and (key.spec.name != SYMMETRIC or not set(operations) & CONSTRAINED):
        raise invalid("Encryption context constraints are only valid for cryptographic operations of symmetric keys.")
    principals: dict[str, str] = {}
    for name, kind in (("grantee", "Grantee"), ("retiring", "Retiring")):
        principal, service = given.get(f"{kind}Principal"), given.get(f"{kind}ServicePrincipal")
        if principal and service:
            raise invalid(f"You cannot specify both {kind}Principal and {kind}ServicePrincipal.")
        if principal and not _PRINCIPAL.fullmatch(principal):
            raise coded("InvalidArnException", f"Invalid principal {principal}")
        principals |= {name: principal or "", f"{name}Service": service or ""}
    if not principals["grantee"] and not principals["granteeService"]:
        raise invalid("You must specify either GranteePrincipal or GranteeServicePrincipal.")
    return {
        "keyId": key.fields.key_id,
        "region": key.fields.region,
        "operations": operations,
        "issuingAccount": call.account,
        "name": given.get("Name") or "",
        "contextEquals": equals,
        "contextSubset": subset,
        **principals,
    }


def _is_same(have: GrantFields, want: Value) -> bool:
    """The same grant asked for again, by the same name. Source: CreateGrant, "Name"."""
    return (
        have.name == want["name"]
        and have.operations == tuple(want["operations"])
        and have.context_equals == want["contextEquals"]
        and have.context_subset == want["contextSubset"]
        and (have.grantee, have.grantee_service) == (want["grantee"], want["granteeService"])
        and (have.retiring, have.retiring_service) == (want["retiring"], want["retiringService"])
    )


def _may_retire(caller: AwsCaller, grant: Grant) -> bool:
    """The retiring principal may, and the grantee if the grant says so; the key's account only by its root."""
    names = {caller.arn, caller.service, caller.session.issuer_arn if caller.session else ""} - {""}
    fields = grant.fields
    if names & {fields.retiring, fields.retiring_service}:
        return True
    if "RetireGrant" in fields.operations and names & {fields.grantee, fields.grantee_service}:
        return True
    return caller.kind is CallerKind.ROOT and caller.account == fields.issuing_account


def _facts(given: Members) -> dict[str, Fact]:
    constraints: Members = given.get("Constraints") or {}
    facts: dict[str, Fact] = {
        "kms:GrantOperations": tuple(given["Operations"]),
        "kms:GrantIsForAWSResource": "false",
    }
    for name in ("GranteePrincipal", "RetiringPrincipal", "GranteeServicePrincipal", "RetiringServicePrincipal"):
        if given.get(name):
            facts[f"kms:{name}"] = given[name]
    for kind in ("EncryptionContextEquals", "EncryptionContextSubset"):
        if constraints.get(kind):
            facts["kms:GrantConstraintType"] = kind
    return facts


def _entry(grant: Grant) -> Members:
    fields = grant.fields
    constraints = {
        name: value
        for name, value in (
            ("EncryptionContextEquals", fields.context_equals),
            ("EncryptionContextSubset", fields.context_subset),
        )
        if value
    }
    return {
        "KeyId": key_arn(fields.region, grant.account, fields.key_id),
        "GrantId": fields.grant_id,
        "Name": fields.name or None,
        "CreationDate": moment(fields.created_at),
        "GranteePrincipal": fields.grantee or None,
        "RetiringPrincipal": fields.retiring or None,
        "GranteeServicePrincipal": fields.grantee_service or None,
        "RetiringServicePrincipal": fields.retiring_service or None,
        "IssuingAccount": f"arn:aws:iam::{fields.issuing_account}:root",
        "Operations": list(fields.operations),
        "Constraints": constraints or None,
    }
