"""Bucket configurations: put, answered as they were put, taken away; one line of a table for each.

Source: Amazon S3 API reference, the Get, Put and Delete operations of buckets; Terraform's reads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from maru.components.aws_s3.api.reach import Reach, Subject
from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model import access_log, lifecycle, locks, settings
from maru.components.aws_s3.model.bucket import Bucket
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value

Perform = Callable[[AwsCall], Awaitable[Members]]


def _same(members: Value) -> Value:
    return members


@dataclass(frozen=True, slots=True)
class Setting:
    """One configuration. name: the parameter it comes in, and what it is kept under.

    verbs: what follows Get, Put and Delete in the operations. action: what follows s3:Get and s3:Put.
    missing: the error where there is none, "" where nothing is answered then. is_wrapped: the answer has
    it under its name instead of its members.
    """

    name: str
    verbs: tuple[str, ...]
    action: str
    missing: str = ""
    check: Callable[[Value], Value] = _same
    tell: Callable[[Value], Value] = _same
    is_wrapped: bool = False
    deletes: bool = True
    deletes_as: str = ""


_TABLE = (
    Setting("CORSConfiguration", ("BucketCors",), "BucketCORS", "NoSuchCORSConfiguration", settings.check_cors),
    Setting(
        lifecycle.SETTING,
        ("BucketLifecycleConfiguration",),
        "LifecycleConfiguration",
        "NoSuchLifecycleConfiguration",
        lifecycle.checked,
        lifecycle.told,
    ),
    Setting(
        "WebsiteConfiguration",
        ("BucketWebsite",),
        "BucketWebsite",
        "NoSuchWebsiteConfiguration",
        settings.check_website,
        deletes_as="s3:DeleteBucketWebsite",
    ),
    Setting(
        "ServerSideEncryptionConfiguration",
        ("BucketEncryption",),
        "EncryptionConfiguration",
        check=settings.check_encryption,
        is_wrapped=True,
    ),
    Setting(
        "PublicAccessBlockConfiguration",
        ("PublicAccessBlock",),
        "BucketPublicAccessBlock",
        "NoSuchPublicAccessBlockConfiguration",
        settings.check_public_access_block,
        is_wrapped=True,
    ),
    Setting(
        "OwnershipControls",
        ("BucketOwnershipControls",),
        "BucketOwnershipControls",
        "OwnershipControlsNotFoundError",
        settings.check_ownership,
        is_wrapped=True,
    ),
    Setting(
        "NotificationConfiguration",
        ("BucketNotificationConfiguration", "BucketNotification"),
        "BucketNotification",
        check=settings.check_notification,
        deletes=False,
    ),
    Setting(
        "RequestPaymentConfiguration",
        ("BucketRequestPayment",),
        "BucketRequestPayment",
        check=settings.check_request_payment,
        deletes=False,
    ),
)
_NOTHING: Mapping[str, Value] = {
    "RequestPaymentConfiguration": {"Payer": "BucketOwner"},
    "ServerSideEncryptionConfiguration": {
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
    },
}
_ACCELERATE = "AccelerateConfiguration"
_ALWAYS_ABSENT = {
    "GetBucketReplication": ("s3:GetReplicationConfiguration", "ReplicationConfigurationNotFoundError"),
    "GetBucketAnalyticsConfiguration": ("s3:GetAnalyticsConfiguration", "NoSuchConfiguration"),
    "GetBucketInventoryConfiguration": ("s3:GetInventoryConfiguration", "NoSuchConfiguration"),
}
_ALWAYS_EMPTY: Mapping[str, tuple[str, Value]] = {
    "ListBucketAnalyticsConfigurations": ("s3:GetAnalyticsConfiguration", {"IsTruncated": False}),
    "ListBucketInventoryConfigurations": ("s3:GetInventoryConfiguration", {"IsTruncated": False}),
}


class Settings:
    """The configurations of buckets."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        found: dict[str, AwsOperation] = {
            "GetObjectLockConfiguration": AwsOperation(self.lock),
            "PutObjectLockConfiguration": AwsOperation(self.put_lock),
            "DeleteBucketReplication": AwsOperation(self.delete_replication),
            "PutBucketReplication": AwsOperation(self.put_replication),
            "GetBucketLogging": AwsOperation(self.logging),
            "PutBucketLogging": AwsOperation(self.put_logging),
            "GetBucketAccelerateConfiguration": AwsOperation(self.acceleration),
            "PutBucketAccelerateConfiguration": AwsOperation(self.put_acceleration),
        }
        for setting in _TABLE:
            for verb in setting.verbs:
                found[f"Get{verb}"] = AwsOperation(self._getter(setting))
                found[f"Put{verb}"] = AwsOperation(self._putter(setting))
            if setting.deletes:
                noun = "BucketLifecycle" if setting.name == lifecycle.SETTING else setting.verbs[0]
                found[f"Delete{noun}"] = AwsOperation(self._deleter(setting))
        for name, (action, code) in _ALWAYS_ABSENT.items():
            found[name] = AwsOperation(self._absent(action, code))
        for name, (action, answer) in _ALWAYS_EMPTY.items():
            found[name] = AwsOperation(self._empty(action, answer))
        return found

    async def lock(self, call: AwsCall) -> Members:
        """GetObjectLockConfiguration."""
        bucket = self._allowed(call, "s3:GetBucketObjectLockConfiguration")
        setting = bucket.setting(locks.SETTING)
        if setting is None:
            raise refusal("ObjectLockConfigurationNotFoundError", BucketName=bucket.name)
        return {locks.SETTING: setting}

    async def put_lock(self, call: AwsCall) -> Members:
        """PutObjectLockConfiguration: on a bucket that keeps versions."""
        bucket = self._allowed(call, "s3:PutBucketObjectLockConfiguration")
        given = call.parameters.get(locks.SETTING)
        if given is None:
            raise refusal("MissingRequestBodyError")
        if not given:
            raise refusal("MalformedXML")
        locks.check_configuration(given)
        if bucket.spec.versioning != "Enabled":
            text = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
            raise refusal("InvalidBucketState", text)
        await self._reach.change(bucket, {locks.SETTING: settings.without_nothing(given)}, objectLock=True)
        return {}

    async def delete_replication(self, call: AwsCall) -> Members:
        """DeleteBucketReplication: there is none."""
        self._allowed(call, "s3:PutReplicationConfiguration")
        return {}

    async def put_replication(self, call: AwsCall) -> Members:
        """PutBucketReplication: not done, but what is asked first is asked."""
        bucket = self._allowed(call, "s3:PutReplicationConfiguration")
        if bucket.spec.versioning != "Enabled":
            text = "Versioning must be 'Enabled' on the bucket to apply a replication configuration"
            raise refusal("InvalidRequest", text, BucketName=bucket.name)
        raise refusal("NotImplemented", "Replication is not implemented.")

    async def put_logging(self, call: AwsCall) -> Members:
        """PutBucketLogging: to a bucket of the same account and region."""
        bucket = self._allowed(call, "s3:PutBucketLogging")
        kept = access_log.checked(settings.without_nothing(call.parameters.get(access_log.SETTING) or {}))
        if kept is not None:
            wanted = kept["LoggingEnabled"]
            target = self._reach.find(str(wanted["TargetBucket"]))
            if target is None:
                raise refusal("InvalidTargetBucketForLogging", TargetBucket=str(wanted["TargetBucket"]))
            access_log.check_target(target, bucket, wanted)
        await self._reach.set(bucket, access_log.SETTING, kept)
        return {}

    async def logging(self, call: AwsCall) -> Members:
        """GetBucketLogging."""
        bucket = self._allowed(call, "s3:GetBucketLogging")
        return dict(bucket.setting(access_log.SETTING) or {})

    async def acceleration(self, call: AwsCall) -> Members:
        """GetBucketAccelerateConfiguration."""
        bucket = self._allowed(call, "s3:GetAccelerateConfiguration")
        return dict(bucket.setting(_ACCELERATE) or {})

    async def put_acceleration(self, call: AwsCall) -> Members:
        """PutBucketAccelerateConfiguration: it names another endpoint, which clients are not sent to."""
        bucket = self._allowed(call, "s3:PutAccelerateConfiguration")
        status = (call.parameters.get(_ACCELERATE) or {}).get("Status")
        if status not in ("Enabled", "Suspended"):
            raise refusal("MalformedXML")
        if "." in bucket.name:
            text = "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names"
            raise refusal("InvalidRequest", text)
        if status == "Enabled" or bucket.setting(_ACCELERATE) is not None:
            await self._reach.set(bucket, _ACCELERATE, {"Status": status})
        return {}

    def _getter(self, setting: Setting) -> Perform:
        async def get(call: AwsCall) -> Members:
            bucket = self._allowed(call, f"s3:Get{setting.action}")
            found = bucket.setting(setting.name)
            if found is None and setting.missing:
                raise refusal(setting.missing, BucketName=bucket.name)
            told = setting.tell(found) if found is not None else dict(_NOTHING.get(setting.name, {}))
            return {setting.name: told} if setting.is_wrapped else dict(told)

        return get

    def _putter(self, setting: Setting) -> Perform:
        async def put(call: AwsCall) -> Members:
            bucket = self._allowed(call, f"s3:Put{setting.action}")
            given = call.parameters.get(setting.name)
            if given is None:
                raise refusal("MalformedXML")
            kept = setting.check(settings.without_nothing(given))
            answer: Members = {}
            if setting.name == lifecycle.SETTING:
                asked = call.parameters.get("TransitionDefaultMinimumObjectSize")
                answer = {"TransitionDefaultMinimumObjectSize": lifecycle.minimum_of(asked)}
            if setting.name == "NotificationConfiguration":
                settings.check_regions(kept, bucket.spec.region)
                self._name_targets(kept)
            await self._reach.set(bucket, setting.name, kept)
            return answer

        return put

    def _name_targets(self, members: Value) -> None:
        """Targets without an id get one."""
        for targets in members.values():
            for target in targets if isinstance(targets, list) else ():
                target.setdefault("Id", self._reach.ids.uid())

    def _deleter(self, setting: Setting) -> Perform:
        async def delete(call: AwsCall) -> Members:
            bucket = self._allowed(call, setting.deletes_as or f"s3:Put{setting.action}")
            if bucket.setting(setting.name) is not None:
                await self._reach.set(bucket, setting.name, None)
            return {}

        return delete

    def _absent(self, action: str, code: str) -> Perform:
        async def absent(call: AwsCall) -> Members:
            bucket = self._allowed(call, action)
            raise refusal(code, BucketName=bucket.name)

        return absent

    def _empty(self, action: str, answer: Value) -> Perform:
        async def empty(call: AwsCall) -> Members:
            self._allowed(call, action)
            return dict(answer)

        return empty

    def _allowed(self, call: AwsCall, action: str) -> Bucket:
        bucket = self._reach.bucket(call)
        self._reach.require(call, action, Subject(bucket))
        return bucket
