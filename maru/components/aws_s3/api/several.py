"""Configurations a bucket has several of, by id: of request metrics and of intelligent tiering.

AWS keeps and answers them; what they start (CloudWatch metrics, moves between access tiers) shows nowhere in S3.
Source: Amazon S3 API reference, PutBucketMetricsConfiguration, PutBucketIntelligentTieringConfiguration.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from maru.components.aws_s3.api.reach import Reach, Subject
from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model import settings
from maru.components.aws_s3.model.bucket import Bucket
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value

PAGE = 100


@dataclass(frozen=True, slots=True)
class Kind:
    """name: the parameter, and what all of them are kept under. action: what follows s3:Get and s3:Put."""

    name: str
    action: str
    check: Callable[[Value], None]
    count_max: int = 1000


KINDS = (
    Kind("MetricsConfiguration", "MetricsConfiguration", settings.check_metrics),
    Kind("IntelligentTieringConfiguration", "IntelligentTieringConfiguration", settings.check_tiering),
)


class Several:
    """Put, get, delete and list of each kind."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        found: dict[str, AwsOperation] = {}
        for kind in KINDS:
            found[f"PutBucket{kind.name}"] = AwsOperation(self._bound(self._put, kind))
            found[f"GetBucket{kind.name}"] = AwsOperation(self._bound(self._get, kind))
            found[f"DeleteBucket{kind.name}"] = AwsOperation(self._bound(self._delete, kind))
            found[f"ListBucket{kind.name}s"] = AwsOperation(self._bound(self._list, kind))
        return found

    def _bound(
        self, work: Callable[[AwsCall, Kind], Awaitable[Members]], kind: Kind
    ) -> Callable[[AwsCall], Awaitable[Members]]:
        return lambda call: work(call, kind)

    async def _put(self, call: AwsCall, kind: Kind) -> Members:
        bucket, known = self._known(call, kind, "Put")
        given = settings.without_nothing(call.parameters.get(kind.name) or {})
        if given.get("Id") != call.parameters["Id"]:
            raise refusal("MalformedXML")
        kind.check(given)
        if given["Id"] not in known and len(known) >= kind.count_max:
            raise refusal("TooManyConfigurations")
        await self._reach.set(bucket, kind.name, {**known, given["Id"]: given})
        return {}

    async def _get(self, call: AwsCall, kind: Kind) -> Members:
        _, known = self._known(call, kind, "Get")
        return {kind.name: self._one(call, known)}

    async def _delete(self, call: AwsCall, kind: Kind) -> Members:
        bucket, known = self._known(call, kind, "Put")
        self._one(call, known)
        left = {name: one for name, one in known.items() if name != call.parameters["Id"]}
        await self._reach.set(bucket, kind.name, left or None)
        return {}

    async def _list(self, call: AwsCall, kind: Kind) -> Members:
        _, known = self._known(call, kind, "Get")
        after = str(call.parameters.get("ContinuationToken") or "")
        names = sorted(name for name in known if name > after)
        answer: Members = {
            "IsTruncated": len(names) > PAGE,
            f"{kind.name}List": [known[name] for name in names[:PAGE]],
        }
        if after:
            answer["ContinuationToken"] = after
        if len(names) > PAGE:
            answer["NextContinuationToken"] = names[PAGE - 1]
        return answer

    def _known(self, call: AwsCall, kind: Kind, verb: str) -> tuple[Bucket, Value]:
        bucket = self._reach.bucket(call)
        self._reach.require(call, f"s3:{verb}{kind.action}", Subject(bucket))
        return bucket, bucket.setting(kind.name) or {}

    def _one(self, call: AwsCall, known: Value) -> Value:
        found = known.get(str(call.parameters["Id"]))
        if found is None:
            raise refusal("NoSuchConfiguration")
        return dict(found)
