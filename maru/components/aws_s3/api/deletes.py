"""DeleteObject and DeleteObjects: markers where versions are kept, refusals where a lock holds.

Source: Amazon S3 API reference, DeleteObject and DeleteObjects.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from maru.components.aws_s3.api.reach import Reach, Subject
from maru.components.aws_s3.engine.depot import Removed
from maru.components.aws_s3.engine.versions import Check, Place
from maru.components.aws_s3.errors import code_of, refusal
from maru.components.aws_s3.model import locks
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.entry import Version
from maru.components.aws_s3.model.names import check_key
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.errors import MaruError

KEYS_MAX = 1000


class Deletes:
    """Deletes of objects and versions."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {"DeleteObject": AwsOperation(self.delete), "DeleteObjects": AwsOperation(self.delete_several)}

    async def delete(self, call: AwsCall) -> Members:
        """DeleteObject."""
        bucket = self._reach.bucket(call)
        removed = await self._delete(call, bucket, str(call.parameters["Key"]))
        return {"DeleteMarker": removed.is_marker or None, "VersionId": removed.id or None}

    async def delete_several(self, call: AwsCall) -> Members:
        """DeleteObjects: each for itself; what is refused stands among the errors."""
        wanted = call.parameters["Delete"]
        entries = wanted.get("Objects") or []
        if not 1 <= len(entries) <= KEYS_MAX:
            raise refusal("MalformedXML")
        bucket = self._reach.bucket(call)
        deleted: list[Members] = []
        errors: list[Members] = []
        for entry in entries:
            one = replace(call, parameters=_parameters(call, entry))
            try:
                removed = await self._delete(one, bucket, str(entry["Key"]))
            except MaruError as error:
                code = code_of(error)
                errors.append(
                    {"Key": entry["Key"], "VersionId": entry.get("VersionId"), "Code": code, "Message": error.what}
                )
                continue
            deleted.append(_told(entry, removed))
        return {"Deleted": [] if wanted.get("Quiet") else deleted, "Errors": errors}

    async def _delete(self, call: AwsCall, bucket: Bucket, key: str) -> Removed:
        check_key(key)
        place, version_id = Place(bucket.id, key), call.parameters.get("VersionId")
        self._reach.require_version(call, "s3:DeleteObject", Subject(bucket, key))
        if version_id is None:
            check = _conditions(call) if bucket.spec.versioning else self._check(call, bucket, key)
            return await self._reach.depot.delete(place, bucket.spec.versioning, bucket.account, check)
        check = self._check(call, bucket, key)
        removed = await self._reach.depot.delete_version(place, str(version_id), check)
        if removed is None and version_id != "null" and len(str(version_id)) != 32:
            text = "Invalid version id specified"
            raise refusal("InvalidArgument", text, ArgumentName="versionId", ArgumentValue=version_id)
        if removed is None:
            return Removed(str(version_id))
        return removed

    def _check(self, call: AwsCall, bucket: Bucket, key: str) -> Check:
        bypasses = bool(call.parameters.get("BypassGovernanceRetention")) and self._reach.may(
            call, "s3:BypassGovernanceRetention", Subject(bucket, key)
        )
        now = self._reach.depot.now()
        conditions = _conditions(call)

        def check(version: Version | None) -> None:
            conditions(version)
            locks.check_removal(version, now, bypasses=bypasses)

        return check


def _conditions(call: AwsCall) -> Check:
    parameters: Mapping[str, object] = call.parameters

    def check(version: Version | None) -> None:
        match, modified, size = (parameters.get(name) for name in ("IfMatch", "IfMatchLastModifiedTime", "IfMatchSize"))
        if version is None:
            if match is not None or modified is not None or size is not None:
                raise refusal("NoSuchKey", Key=str(parameters["Key"]))
            return
        is_good = (
            (match is None or str(match).strip('"') in ("*", version.etag))
            and (not isinstance(modified, datetime) or modified == version.modified)
            and (size is None or size == version.size_bytes)
        )
        if not is_good:
            raise refusal("PreconditionFailed", Condition="If-Match")

    return check


def _parameters(call: AwsCall, entry: Mapping[str, object]) -> Members:
    return {
        "Bucket": call.parameters["Bucket"],
        "Key": entry["Key"],
        "VersionId": entry.get("VersionId"),
        "BypassGovernanceRetention": call.parameters.get("BypassGovernanceRetention"),
        "IfMatch": entry.get("ETag"),
        "IfMatchLastModifiedTime": entry.get("LastModifiedTime"),
        "IfMatchSize": entry.get("Size"),
    }


def _told(entry: Mapping[str, object], removed: Removed) -> Members:
    told: Members = {"Key": entry["Key"], "VersionId": entry.get("VersionId")}
    if removed.is_marker:
        told |= {"DeleteMarker": True, "DeleteMarkerVersionId": removed.id}
    return told
