"""Aliases. Source: AWS KMS API reference, CreateAlias, UpdateAlias, DeleteAlias, ListAliases."""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_kms.api.gate import Gate
from maru.components.aws_kms.api.pages import page
from maru.components.aws_kms.api.vault import Target, Vault
from maru.components.aws_kms.errors import already_exists, coded, invalid, limit_exceeded, not_found
from maru.components.aws_kms.model.documents import Alias, Key, alias_arn, moment
from maru.components.aws_kms.model.names import check_alias_name, is_reserved
from maru.components.aws_kms.model.states import check_staying
from maru.components.aws_kms.quirks import PREDEFINED
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.errors import AlreadyExists
from maru.kinds.aws import namespace_of


class Aliases:
    """See the module."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "CreateAlias": AwsOperation(self.create),
            "UpdateAlias": AwsOperation(self.update),
            "DeleteAlias": AwsOperation(self.delete),
            "ListAliases": AwsOperation(self.list_all),
        }

    async def create(self, call: AwsCall) -> Members:
        name, target_id = call.parameters["AliasName"], call.parameters["TargetKeyId"]
        check_alias_name(name)
        if is_reserved(name):
            raise coded("NotAuthorizedException")
        key = self._target_of(call, target_id)
        arn = alias_arn(call.region, call.account, name)
        self._gate.allow_alone(call, "CreateAlias", arn)
        self._gate.allow(call, Target(key), "CreateAlias")
        check_staying(key)
        if len(self._vault.aliases_of(key)) >= self._vault.tools.config.aliases_max:
            raise limit_exceeded("The request was rejected because the alias quota of the KMS key was exceeded.")
        try:
            await self._vault.put_alias(key, name)
        except AlreadyExists as error:
            raise already_exists(f"An alias with the name {arn} already exists") from error
        return {}

    async def update(self, call: AwsCall) -> Members:
        name = call.parameters["AliasName"]
        alias = self._find(call, name)
        old = self._vault.key_of(call.account, call.region, alias.fields.key_id)
        new = self._target_of(call, call.parameters["TargetKeyId"])
        self._gate.allow_alone(call, "UpdateAlias", alias.arn)
        for key in (old, new):
            self._gate.allow(call, Target(key), "UpdateAlias")
        check_staying(new)
        if (old.spec.name == "SYMMETRIC_DEFAULT") != (new.spec.name == "SYMMETRIC_DEFAULT") or (
            old.fields.key_usage != new.fields.key_usage
        ):
            raise invalid("Aliases must be associated with keys of the same type and key usage.")
        fields = {"keyId": new.fields.key_id, "updatedAt": self._vault.stamp()}
        await self._vault.aliases.patch(namespace_of(call.account), alias.name, {"spec": fields})
        return {}

    async def delete(self, call: AwsCall) -> Members:
        alias = self._find(call, call.parameters["AliasName"])
        key = self._vault.key_of(call.account, call.region, alias.fields.key_id)
        self._gate.allow_alone(call, "DeleteAlias", alias.arn)
        self._gate.allow(call, Target(key), "DeleteAlias")
        await self._vault.aliases.delete(namespace_of(call.account), alias.name)
        return {}

    async def list_all(self, call: AwsCall) -> Members:
        reference = call.parameters.get("KeyId")
        self._gate.allow_alone(call, "ListAliases")
        if reference:
            key = self._vault.find(call.account, call.region, reference, takes_alias=False).key
            every = [_entry(alias) for alias in self._vault.aliases_of(key)]
        else:
            every = self._every(call)
        every.sort(key=lambda entry: str(entry["AliasName"]))
        return page("Aliases", every, call, limit=50, limit_max=100)

    def _every(self, call: AwsCall) -> list[Members]:
        """Those there are, and the predefined ones that have no key yet."""
        have = [
            _entry(alias)
            for alias in self._vault.aliases.list(namespace_of(call.account))
            if alias.fields.region == call.region
        ]
        names = {entry["AliasName"] for entry in have}
        for service in PREDEFINED:
            name = f"alias/aws/{service}"
            if name not in names:
                have.append({"AliasName": name, "AliasArn": alias_arn(call.region, call.account, name)})
        return have

    def _find(self, call: AwsCall, name: str) -> Alias:
        if not name.startswith("alias/"):
            raise invalid("Invalid identifier")
        if is_reserved(name):
            raise coded("NotAuthorizedException")
        alias = self._vault.find_alias(call.account, call.region, name)
        if alias is None:
            raise not_found(f"Alias {alias_arn(call.region, call.account, name)} is not found.")
        return alias

    def _target_of(self, call: AwsCall, reference: str) -> Key:
        if reference.startswith("alias/") or ":alias/" in reference:
            raise invalid("Aliases must refer to keys. Not aliases")
        key = self._vault.find(call.account, call.region, reference, takes_alias=False).key
        if key.account != call.account:
            raise invalid("Aliases must refer to keys in the same account and Region.")
        if key.fields.service:
            raise coded("NotAuthorizedException")
        return key


def _entry(alias: Alias) -> Members:
    return {
        "AliasName": alias.fields.name,
        "AliasArn": alias.arn,
        "TargetKeyId": alias.fields.key_id,
        "CreationDate": moment(alias.fields.created_at),
        "LastUpdatedDate": moment(alias.fields.updated_at),
    }
