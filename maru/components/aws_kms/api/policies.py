"""Key policies. Source: AWS KMS API reference, GetKeyPolicy, PutKeyPolicy, ListKeyPolicies."""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_kms.api.gate import Access, Gate
from maru.components.aws_kms.api.keys import Keys
from maru.components.aws_kms.api.pages import page
from maru.components.aws_kms.api.vault import Target, Vault
from maru.components.aws_kms.errors import not_found
from maru.components.aws_kms.model.policies import NAME
from maru.contracts.aws_service import AwsCall, AwsOperation, Members


class Policies:
    """See the module."""

    def __init__(self, vault: Vault, gate: Gate, keys: Keys) -> None:
        self._vault = vault
        self._gate = gate
        self._keys = keys

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "GetKeyPolicy": AwsOperation(self.get),
            "PutKeyPolicy": AwsOperation(self.put),
            "ListKeyPolicies": AwsOperation(self.list),
        }

    async def get(self, call: AwsCall) -> Members:
        target = self._reach(call, "GetKeyPolicy")
        return {"Policy": target.key.fields.policy, "PolicyName": _named(call)}

    async def put(self, call: AwsCall) -> Members:
        is_bypassed = bool(call.parameters.get("BypassPolicyLockoutSafetyCheck"))
        facts = {"kms:BypassPolicyLockoutSafetyCheck": "true" if is_bypassed else "false"}
        target = self._reach(call, "PutKeyPolicy", Access(facts))
        _named(call)
        policy = self._keys.checked_policy(call, target.key.arn, call.parameters["Policy"], is_bypassed=is_bypassed)
        await self._vault.change(target.key, lambda _: {"policy": policy})
        return {}

    async def list(self, call: AwsCall) -> Members:
        self._reach(call, "ListKeyPolicies")
        return page("PolicyNames", [NAME], call, limit=100, limit_max=1000)

    def _reach(self, call: AwsCall, operation: str, access: Access | None = None) -> Target:
        target = self._vault.find(call.account, call.region, call.parameters["KeyId"], takes_alias=False)
        self._gate.allow(call, target, operation, access or Access())
        return target


def _named(call: AwsCall) -> str:
    name: str = call.parameters.get("PolicyName") or NAME
    if name != NAME:
        raise not_found("No such policy exists")
    return name
