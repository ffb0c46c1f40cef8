"""What is said of an object after it was written: tags, retention, legal hold; and the tags of buckets.

Source: Amazon S3 API reference, PutObjectTagging, PutBucketTagging, PutObjectRetention, PutObjectLegalHold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import structs

from maru.components.aws_s3.api.reach import Reach, Subject
from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model import archives, draft_headers, locks
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.entry import About, Version
from maru.contracts.aws_service import STATUS, AwsCall, AwsOperation, Members

BUCKET_TAGS_MAX, OBJECT_TAGS_MAX = 50, 10


class Marks:
    """Tags and locks."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "GetBucketTagging": AwsOperation(self.bucket_tags),
            "PutBucketTagging": AwsOperation(self.put_bucket_tags),
            "DeleteBucketTagging": AwsOperation(self.delete_bucket_tags),
            "GetObjectTagging": AwsOperation(self.tags),
            "PutObjectTagging": AwsOperation(self.put_tags),
            "DeleteObjectTagging": AwsOperation(self.delete_tags),
            "GetObjectRetention": AwsOperation(self.retention),
            "PutObjectRetention": AwsOperation(self.put_retention),
            "GetObjectLegalHold": AwsOperation(self.hold),
            "PutObjectLegalHold": AwsOperation(self.put_hold),
            "RestoreObject": AwsOperation(self.restore),
        }

    async def bucket_tags(self, call: AwsCall) -> Members:
        """GetBucketTagging."""
        bucket = self._allowed(call, "s3:GetBucketTagging")
        if not bucket.spec.tags:
            raise refusal("NoSuchTagSet", BucketName=bucket.name)
        return {"TagSet": _told(bucket.spec.tags)}

    async def put_bucket_tags(self, call: AwsCall) -> Members:
        """PutBucketTagging."""
        bucket = self._allowed(call, "s3:PutBucketTagging")
        tags = draft_headers.tags_of_set(call.parameters["Tagging"].get("TagSet"), count_max=BUCKET_TAGS_MAX)
        await self._reach.change(bucket, tags=tags)
        return {STATUS: 204}

    async def delete_bucket_tags(self, call: AwsCall) -> Members:
        """DeleteBucketTagging."""
        bucket = self._allowed(call, "s3:PutBucketTagging")
        if bucket.spec.tags is not None:
            await self._reach.change(bucket, tags=None)
        return {}

    async def tags(self, call: AwsCall) -> Members:
        """GetObjectTagging."""
        bucket = self._reach.bucket(call)
        version = await self._reach.version(call, bucket, "s3:GetObjectTagging")
        return {"TagSet": _told(version.about.tags), **_version_id(bucket, version)}

    async def put_tags(self, call: AwsCall) -> Members:
        """PutObjectTagging."""
        bucket = self._reach.bucket(call)
        tags = draft_headers.tags_of_set(call.parameters["Tagging"].get("TagSet"), count_max=OBJECT_TAGS_MAX)
        version = await self._reach.version(call, bucket, "s3:PutObjectTagging")
        await self._rewrite(call, bucket, version, lambda had: structs.replace(had.about, tags=tags))
        return _version_id(bucket, version)

    async def delete_tags(self, call: AwsCall) -> Members:
        """DeleteObjectTagging."""
        bucket = self._reach.bucket(call)
        version = await self._reach.version(call, bucket, "s3:DeleteObjectTagging")
        await self._rewrite(call, bucket, version, lambda had: structs.replace(had.about, tags={}))
        return _version_id(bucket, version)

    async def retention(self, call: AwsCall) -> Members:
        """GetObjectRetention."""
        bucket = self._lockable(call)
        version = await self._reach.version(call, bucket, "s3:GetObjectRetention")
        found = version.about.retention
        if found is None:
            raise refusal("NoSuchObjectLockConfiguration")
        return {"Retention": {"Mode": found.mode, "RetainUntilDate": found.until}}

    async def put_retention(self, call: AwsCall) -> Members:
        """PutObjectRetention."""
        bucket = self._lockable(call)
        version = await self._reach.version(call, bucket, "s3:PutObjectRetention")
        given = call.parameters.get("Retention") or {}
        mode, until = given.get("Mode"), draft_headers.moment(given.get("RetainUntilDate"))
        if (mode is None) != (until is None) or mode not in (None, *locks.MODES):
            raise refusal("MalformedXML")
        now = self._reach.depot.now()
        want = locks.checked(mode, until, now) if mode and until else None
        subject = Subject(bucket, version.key, version.about)
        bypasses = bool(call.parameters.get("BypassGovernanceRetention")) and self._reach.may(
            call, "s3:BypassGovernanceRetention", subject
        )

        def change(had: Version) -> About:
            locks.check_retention_change(had.about.retention, want, now, bypasses=bypasses)
            return structs.replace(had.about, retention=want)

        await self._rewrite(call, bucket, version, change)
        return {}

    async def hold(self, call: AwsCall) -> Members:
        """GetObjectLegalHold."""
        bucket = self._lockable(call)
        version = await self._reach.version(call, bucket, "s3:GetObjectLegalHold")
        if not version.about.legal_hold:
            raise refusal("NoSuchObjectLockConfiguration")
        return {"LegalHold": {"Status": version.about.legal_hold}}

    async def put_hold(self, call: AwsCall) -> Members:
        """PutObjectLegalHold."""
        bucket = self._lockable(call)
        status = (call.parameters.get("LegalHold") or {}).get("Status")
        if status not in ("ON", "OFF"):
            raise refusal("MalformedXML")
        version = await self._reach.version(call, bucket, "s3:PutObjectLegalHold")
        await self._rewrite(call, bucket, version, lambda had: structs.replace(had.about, legal_hold=status))
        return {}

    async def _rewrite(
        self, call: AwsCall, bucket: Bucket, version: Version, change: Callable[[Version], About]
    ) -> None:
        await self._reach.depot.rewrite(self._reach.place(call, bucket), version.id, change)

    async def restore(self, call: AwsCall) -> Members:
        """RestoreObject: 202 for the first time, 200 when it only lasts longer."""
        bucket = self._reach.bucket(call)
        version = await self._reach.version(call, bucket, "s3:RestoreObject")
        now = self._reach.depot.now()
        until = archives.until_of(version, call.parameters.get("RestoreRequest") or {}, now)
        was_restored = archives.header(version, now) is not None
        await self._rewrite(call, bucket, version, lambda had: structs.replace(had.about, restored_until=until))
        return {STATUS: 200 if was_restored else 202}

    def _lockable(self, call: AwsCall) -> Bucket:
        bucket = self._reach.bucket(call)
        if not bucket.spec.object_lock:
            raise refusal("InvalidRequest", "Bucket is missing Object Lock Configuration")
        return bucket

    def _allowed(self, call: AwsCall, action: str) -> Bucket:
        bucket = self._reach.bucket(call)
        self._reach.require(call, action, Subject(bucket))
        return bucket


def _told(tags: Mapping[str, str]) -> list[Members]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def _version_id(bucket: Bucket, version: Version) -> Members:
    return {"VersionId": version.id} if bucket.spec.versioning else {}
