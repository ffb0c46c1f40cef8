"""Keys as things: made, looked at, switched, tagged, deleted.

Source: AWS KMS API reference, CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey, ScheduleKeyDeletion,
CancelKeyDeletion, UpdateKeyDescription, TagResource, UntagResource, ListResourceTags, GetKeyLastUsage.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from maru.components.aws_kms.api.gate import Access, Gate
from maru.components.aws_kms.api.pages import page
from maru.components.aws_kms.api.shapes import key_metadata, tag_list
from maru.components.aws_kms.api.uses import Uses
from maru.components.aws_kms.api.vault import Target, Vault
from maru.components.aws_kms.errors import coded, invalid, limit_exceeded, malformed_policy, unsupported
from maru.components.aws_kms.model.documents import Key, key_arn
from maru.components.aws_kms.model.policies import default_policy, read_policy
from maru.components.aws_kms.model.specs import ALGORITHM_FIELDS, ENCRYPT, SPECS, SYMMETRIC, UNSUPPORTED, Spec
from maru.components.aws_kms.model.states import check_going, check_staying, check_switchable
from maru.components.aws_kms.quirks import PREDEFINED
from maru.contracts.aws_access import Fact
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.clock import rfc3339_micro
from maru.core.document import Value
from maru.kinds.aws import namespace_of

_WAIT_DAYS = 30
_WAIT_DAYS_MIN, _WAIT_DAYS_MAX = 7, 30
_TAGS_MAX = 50


class Keys:
    """See the module."""

    def __init__(self, vault: Vault, gate: Gate, uses: Uses) -> None:
        self._vault = vault
        self._gate = gate
        self._uses = uses

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "CreateKey": AwsOperation(self.create),
            "DescribeKey": AwsOperation(self.describe),
            "ListKeys": AwsOperation(self.list_all),
            "EnableKey": AwsOperation(self.enable),
            "DisableKey": AwsOperation(self.disable),
            "UpdateKeyDescription": AwsOperation(self.update_description),
            "ScheduleKeyDeletion": AwsOperation(self.schedule_deletion),
            "CancelKeyDeletion": AwsOperation(self.cancel_deletion),
            "TagResource": AwsOperation(self.tag),
            "UntagResource": AwsOperation(self.untag),
            "ListResourceTags": AwsOperation(self.list_tags),
            "GetKeyLastUsage": AwsOperation(self.last_usage),
        }

    async def create(self, call: AwsCall) -> Members:
        given = call.parameters
        spec, usage = _spec_of(given)
        origin = _origin_of(given, spec)
        tags = checked_tags(given.get("Tags") or [])
        multi_region = bool(given.get("MultiRegion"))
        is_bypassed = bool(given.get("BypassPolicyLockoutSafetyCheck"))
        self._gate.allow_alone(
            call,
            "CreateKey",
            facts={
                "kms:KeySpec": spec.name,
                "kms:KeyUsage": usage,
                "kms:KeyOrigin": origin,
                "kms:MultiRegion": "true" if multi_region else "false",
                "kms:BypassPolicyLockoutSafetyCheck": "true" if is_bypassed else "false",
                **request_tags(tags),
            },
        )
        if tags:
            self._gate.allow_alone(call, "TagResource", facts=request_tags(tags))
        uid = self._vault.tools.ids.uid()
        key_id = f"mrk-{uid.replace('-', '')}" if multi_region else uid
        arn = key_arn(call.region, call.account, key_id)
        policy = self.checked_policy(call, arn, given.get("Policy"), is_bypassed=is_bypassed)
        fields: Value = {
            "keyId": key_id,
            "region": call.region,
            "keySpec": spec.name,
            "keyUsage": usage,
            "origin": origin,
            "description": given.get("Description") or "",
            "createdAt": self._vault.stamp(),
            "policy": policy,
            "tags": tags,
            "multiRegion": multi_region,
            "primaryRegion": call.region if multi_region else "",
        }
        if origin == "AWS_KMS":
            fields["materials"] = [await self._vault.new_material(call.account, key_id, spec)]
        key = await self._vault.put_key(call.account, fields)
        return {"KeyMetadata": key_metadata(key, self._vault)}

    def checked_policy(self, call: AwsCall, arn: str, policy: str | None, *, is_bypassed: bool) -> str:
        """The policy to store: the given one if it may be put, else the default one. Raises Invalid."""
        if policy is None:
            return default_policy(arn.split(":")[4])
        decoded = read_policy(policy)
        if not is_bypassed and self._gate.is_locked_out(call, arn, decoded):
            raise malformed_policy("The new key policy will not allow you to update the key policy in the future.")
        return policy

    async def describe(self, call: AwsCall) -> Members:
        reference: str = call.parameters["KeyId"]
        service = _managed_service(reference, call)
        if service:
            if self._vault.find_alias(call.account, call.region, f"alias/aws/{service}") is None:
                self._gate.allow_alone(call, "DescribeKey")  # nobody makes a key who may not even look at one
            target = await self._vault.ensure_managed(call.account, call.region, service)
        else:
            target = self._vault.find(call.account, call.region, reference)
        self._gate.allow(call, target, "DescribeKey", Access(tokens=call.parameters.get("GrantTokens") or ()))
        return {"KeyMetadata": key_metadata(target.key, self._vault)}

    async def list_all(self, call: AwsCall) -> Members:
        self._gate.allow_alone(call, "ListKeys")
        every = [
            {"KeyId": key.fields.key_id, "KeyArn": key.arn}
            for key in self._vault.keys.list(namespace_of(call.account))
            if key.fields.region == call.region
        ]
        return page("Keys", every, call, limit=100, limit_max=1000)

    async def enable(self, call: AwsCall) -> Members:
        target = self._reach(call, "EnableKey")
        await self._vault.change(target.key, lambda key: _switched(key, enabled=True))
        return {}

    async def disable(self, call: AwsCall) -> Members:
        target = self._reach(call, "DisableKey")
        await self._vault.change(target.key, lambda key: _switched(key, enabled=False))
        return {}

    async def update_description(self, call: AwsCall) -> Members:
        target = self._reach(call, "UpdateKeyDescription")

        def change(key: Key) -> Value:
            check_staying(key)
            return {"description": call.parameters["Description"]}

        await self._vault.change(target.key, change)
        return {}

    async def schedule_deletion(self, call: AwsCall) -> Members:
        window = call.parameters.get("PendingWindowInDays")
        days = _WAIT_DAYS if window is None else int(window)
        facts: dict[str, Fact] = {"kms:ScheduleKeyDeletionPendingWindowInDays": str(days)}
        target = self._reach(call, "ScheduleKeyDeletion", Access(facts))
        if not _WAIT_DAYS_MIN <= days <= _WAIT_DAYS_MAX:
            raise invalid(f"PendingWindowInDays must be between {_WAIT_DAYS_MIN} and {_WAIT_DAYS_MAX}, inclusive.")

        def change(key: Key) -> Value:
            check_staying(key)
            has_replicas = key.fields.multi_region and self._has_replicas(key)
            deletion = "" if has_replicas else rfc3339_micro(self._vault.now() + timedelta(days=days))
            return {"deletionAt": deletion, "pendingWindowDays": days, "enabled": False}

        key = await self._vault.change(target.key, change)
        return {
            "KeyId": key.arn,
            "DeletionDate": key_metadata(key, self._vault).get("DeletionDate"),
            "KeyState": key.state,
            "PendingWindowInDays": days,
        }

    def _has_replicas(self, key: Key) -> bool:
        related = self._vault.related(key)
        return len(related) > 1 and related[0].fields.region == key.fields.region

    async def cancel_deletion(self, call: AwsCall) -> Members:
        target = self._reach(call, "CancelKeyDeletion")

        def change(key: Key) -> Value:
            check_going(key)
            return {"deletionAt": "", "pendingWindowDays": 0, "enabled": False}

        key = await self._vault.change(target.key, change)
        return {"KeyId": key.arn}

    async def tag(self, call: AwsCall) -> Members:
        given = call.parameters["Tags"]
        target = self._reach(call, "TagResource", Access(request_tags(_plain_tags(given))))
        tags = checked_tags(given)

        def change(key: Key) -> Value:
            check_staying(key)
            if len({**key.fields.tags, **tags}) > _TAGS_MAX:
                raise limit_exceeded(f"The maximum number of tags is {_TAGS_MAX}.")
            return {"tags": tags}

        await self._vault.change(target.key, change)
        return {}

    async def untag(self, call: AwsCall) -> Members:
        names = call.parameters["TagKeys"]
        target = self._reach(call, "UntagResource", Access({"aws:TagKeys": tuple(names)}))

        def change(key: Key) -> Value:
            check_staying(key)
            return {"tags": dict.fromkeys(names)}

        await self._vault.change(target.key, change)
        return {}

    async def list_tags(self, call: AwsCall) -> Members:
        target = self._reach(call, "ListResourceTags")
        return page("Tags", tag_list(target.key.fields.tags), call, limit=50, limit_max=50)

    async def last_usage(self, call: AwsCall) -> Members:
        target = self._reach(call, "GetKeyLastUsage")
        return self._uses.of(target.key)

    def _reach(self, call: AwsCall, operation: str, access: Access | None = None) -> Target:
        target = self._vault.find(call.account, call.region, call.parameters["KeyId"], takes_alias=False)
        self._gate.allow(call, target, operation, access or Access())
        return target


def checked_tags(tags: list[Members]) -> dict[str, str]:
    """Raises Invalid (TagException) for a reserved or repeated name."""
    names = [tag["TagKey"] for tag in tags]
    if len(set(names)) != len(names):
        raise coded("TagException", "Duplicate tag keys")
    if any(name.lower().startswith("aws:") for name in names):
        raise coded("TagException", "Tags beginning with aws: are reserved")
    if len(names) > _TAGS_MAX:
        raise coded("TagException", "Too many tags")
    return _plain_tags(tags)


def request_tags(tags: Mapping[str, str]) -> dict[str, Fact]:
    """The facts of tags in a request."""
    facts: dict[str, Fact] = {f"aws:RequestTag/{name}": value for name, value in tags.items()}
    if tags:
        facts["aws:TagKeys"] = tuple(tags)
    return facts


def _plain_tags(tags: list[Members]) -> dict[str, str]:
    return {tag["TagKey"]: tag["TagValue"] for tag in tags}


def _spec_of(given: Members) -> tuple[Spec, str]:
    """The key spec and usage of a CreateKey. Raises Invalid."""
    old, new = given.get("CustomerMasterKeySpec"), given.get("KeySpec")
    if old and new:
        raise invalid(
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
            "CustomerMasterKeySpec is deprecated."
        )
    name = new or old or SYMMETRIC
    usage = given.get("KeyUsage")
    if name in UNSUPPORTED:
        raise unsupported(f"KeySpec {name} is not supported in this Region.")
    spec = SPECS[name]
    if usage is None:
        if name != SYMMETRIC:
            raise invalid("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
        usage = ENCRYPT
    if usage not in spec.usages:
        raise invalid(f"KeyUsage {usage} is not compatible with KeySpec {name}")
    assert usage in ALGORITHM_FIELDS
    return spec, usage


def _origin_of(given: Members, spec: Spec) -> str:
    origin: str = given.get("Origin") or "AWS_KMS"
    if given.get("XksKeyId") or origin == "EXTERNAL_KEY_STORE":
        raise (
            coded("CustomKeyStoreNotFoundException")
            if given.get("CustomKeyStoreId")
            else invalid("A CustomKeyStoreId must be specified for keys with Origin EXTERNAL_KEY_STORE.")
        )
    if given.get("CustomKeyStoreId"):
        raise coded("CustomKeyStoreNotFoundException")
    if origin == "AWS_CLOUDHSM":
        raise invalid("A CustomKeyStoreId must be specified for keys with Origin AWS_CLOUDHSM.")
    if origin == "EXTERNAL" and spec.name.startswith("ML_"):
        raise unsupported(f"KeySpec {spec.name} is not supported for Origin EXTERNAL.")
    return origin


def _managed_service(reference: str, call: AwsCall) -> str:
    """The service of a predefined alias of the caller's own account, named as such; "" elsewhere."""
    own = f"arn:aws:kms:{call.region}:{call.account}:"
    name = reference.removeprefix(own)
    service = name.removeprefix("alias/aws/") if name.startswith("alias/aws/") else ""
    return service if service in PREDEFINED else ""


def _switched(key: Key, *, enabled: bool) -> Value:
    check_switchable(key)
    return {"enabled": enabled}
