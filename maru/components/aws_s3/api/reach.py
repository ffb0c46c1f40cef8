"""What every operation begins with: which bucket is meant, and may the caller do this with it.

The bucket's policy, and what its ACL (or the object's) grants, go to the policy engine as the resource's
policy; what the public access block forbids is left out before. Source: Amazon S3 User Guide, "How Amazon S3
authorizes a request"; Service Authorization Reference, "Actions ... for Amazon S3".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakValueDictionary

from maru.components.aws_s3.config import AwsS3Config
from maru.components.aws_s3.engine.depot import Depot
from maru.components.aws_s3.engine.versions import Place
from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model import acl, policies
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.entry import About, Version
from maru.components.aws_s3.model.names import arn_of, canonical_id, check_key
from maru.contracts.aws_access import AwsAuthorizer, CallerKind, Fact, Question
from maru.contracts.aws_service import AwsCall
from maru.core.clock import Clock, rfc3339
from maru.core.document import Value
from maru.core.errors import Conflict, Denied
from maru.core.ids import Ids
from maru.core.kept import Kept

_FACTS = {
    "Prefix": "s3:prefix",
    "Delimiter": "s3:delimiter",
    "MaxKeys": "s3:max-keys",
    "ACL": "s3:x-amz-acl",
    "GrantFullControl": "s3:x-amz-grant-full-control",
    "GrantRead": "s3:x-amz-grant-read",
    "GrantReadACP": "s3:x-amz-grant-read-acp",
    "GrantWrite": "s3:x-amz-grant-write",
    "GrantWriteACP": "s3:x-amz-grant-write-acp",
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
    "SSEKMSKeyId": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "SSECustomerAlgorithm": "s3:x-amz-server-side-encryption-customer-algorithm",
    "StorageClass": "s3:x-amz-storage-class",
    "CopySource": "s3:x-amz-copy-source",
    "MetadataDirective": "s3:x-amz-metadata-directive",
    "WebsiteRedirectLocation": "s3:x-amz-website-redirect-location",
    "VersionId": "s3:VersionId",
    "ObjectLockMode": "s3:object-lock-mode",
    "ObjectLockRetainUntilDate": "s3:object-lock-retain-until-date",
    "ObjectLockLegalHoldStatus": "s3:object-lock-legal-hold",
    "ObjectOwnership": "s3:x-amz-object-ownership",
    "IfMatch": "s3:if-match",
    "IfNoneMatch": "s3:if-none-match",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What an action is done to. key: None for the bucket; about: of the object that is there, None if none is."""

    bucket: Bucket
    key: str | None = None
    about: About | None = None


class Reach:
    """Shared by the operations; reads are local."""

    def __init__(
        self,
        kept: Kept[Bucket],
        depot: Depot,
        authorizer: AwsAuthorizer,
        config: AwsS3Config,
        *,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self.kept = kept
        self.depot = depot
        self.config = config
        self.clock = clock
        self.ids = ids
        self._authorizer = authorizer
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def find(self, name: str) -> Bucket | None:
        """The bucket of that name."""
        return self.kept.get("", name)

    def bucket(self, call: AwsCall) -> Bucket:
        """The one the call names. Raises NoSuchBucket, AccessDenied (it is not the expected owner's, or who pays)."""
        name = str(call.parameters["Bucket"])
        found = self.find(name)
        if found is None:
            raise refusal("NoSuchBucket", BucketName=name)
        expected = call.parameters.get("ExpectedBucketOwner")
        if expected and expected != found.account:
            raise refusal("AccessDenied")
        payment = found.setting("RequestPaymentConfiguration") or {}
        is_guest = payment.get("Payer") == "Requester" and call.account != found.account
        if is_guest and call.parameters.get("RequestPayer") != "requester":
            raise refusal("AccessDenied")
        return found

    def place(self, call: AwsCall, bucket: Bucket) -> Place:
        """Where the call's key stands. Raises KeyTooLongError, InvalidURI."""
        key = str(call.parameters["Key"])
        check_key(key)
        return Place(bucket.id, key)

    def require(self, call: AwsCall, action: str, subject: Subject, facts: Mapping[str, Fact] | None = None) -> None:
        """Raises AccessDenied unless the caller may."""
        question = self._question(call, action, subject, facts or {})
        try:
            self._authorizer.require(call.caller, question, call.circumstances)
        except Denied as error:
            if call.caller.kind is CallerKind.ANONYMOUS:
                raise refusal("AccessDenied") from error
            resource = question.resource
            text = error.what.replace(f"on resource: {resource}", f'on resource: "{resource}"')
            raise refusal("AccessDenied", text) from error

    def require_any(self, call: AwsCall, action: str) -> None:
        """As `require`, for an action on no bucket (s3:ListAllMyBuckets)."""
        try:
            self._authorizer.require(call.caller, Question(action, "*", call.account), call.circumstances)
        except Denied as error:
            raise refusal("AccessDenied", error.what) from error

    def may(self, call: AwsCall, action: str, subject: Subject, facts: Mapping[str, Fact] | None = None) -> bool:
        """Whether the caller may."""
        question = self._question(call, action, subject, facts or {})
        return self._authorizer.decide(call.caller, question, call.circumstances).allowed

    def require_version(
        self, call: AwsCall, action: str, subject: Subject, facts: Mapping[str, Fact] | None = None
    ) -> None:
        """As `require`; with a VersionId in the call it is the action's Version form: s3:GetObjectVersion."""
        if call.parameters.get("VersionId") is None:
            self.require(call, action, subject, facts)
            return
        if action == "s3:RestoreObject":
            self.require(call, action, subject, facts)
            return
        verb, _, rest = action.partition("Object")
        self.require(call, f"{verb}ObjectVersion{rest}", subject, facts)

    async def version(self, call: AwsCall, bucket: Bucket, action: str) -> Version:
        """The version a call names, if the caller may do `action` to it. Raises NoSuchKey, NoSuchVersion ..."""
        place = self.place(call, bucket)
        version_id = call.parameters.get("VersionId")
        found = await self.depot.find(place, version_id)
        about = found.version.about if found is not None else None
        self.require_version(call, action, Subject(bucket, place.key, about))
        if found is None:
            raise self.missing(call, bucket)
        if found.version.is_marker:
            raise self.deleted(call, found.version)
        return found.version

    def missing(self, call: AwsCall, bucket: Bucket) -> Exception:
        """What is answered for a key that is not there: whoever may not list does not learn that."""
        key, version_id = str(call.parameters["Key"]), call.parameters.get("VersionId")
        if not self.may(call, "s3:ListBucket", Subject(bucket), {"s3:prefix": key}):
            return refusal("AccessDenied")
        if version_id is None:
            return refusal("NoSuchKey", Key=key)
        if not _is_version_id(version_id):
            return refusal(
                "InvalidArgument", "Invalid version id specified", ArgumentName="versionId", ArgumentValue=version_id
            )
        return refusal("NoSuchVersion", Key=key, VersionId=version_id)

    def deleted(self, call: AwsCall, marker: Version) -> Exception:
        """What is answered for a delete marker."""
        key = str(call.parameters["Key"])
        headers = {"x-amz-delete-marker": "true", "x-amz-version-id": marker.id}
        if call.parameters.get("VersionId") is None:
            return refusal("NoSuchKey", headers=headers, Key=key)
        headers |= {"Allow": "DELETE", "Last-Modified": marker.modified.strftime("%a, %d %b %Y %H:%M:%S GMT")}
        return refusal("MethodNotAllowed", headers=headers, Method=call.method, ResourceType="DeleteMarker")

    async def change(self, bucket: Bucket, settings: Mapping[str, Value | None] | None = None, **spec: object) -> None:
        """Replace configurations, and fields of the bucket's document, by their names in it; None takes one away."""
        turn = self._turns.setdefault(bucket.name, asyncio.Lock())
        async with turn:
            value = self.kept.value("", bucket.name)
            if value["spec"]["id"] != bucket.id:
                raise refusal("NoSuchBucket", BucketName=bucket.name)
            wanted = {**value["spec"], **spec}
            wanted["settings"] = _without_none({**wanted.get("settings", {}), **(settings or {})})
            try:
                await self.kept.update({**value, "spec": _without_none(wanted)})
            except Conflict as error:
                raise refusal("OperationAborted") from error

    async def set(self, bucket: Bucket, name: str, members: Value | None) -> None:
        """Replace one configuration of a bucket; None takes it away."""
        await self.change(bucket, {name: members})

    def _question(self, call: AwsCall, action: str, subject: Subject, more: Mapping[str, Fact]) -> Question:
        bucket = subject.bucket
        resource = arn_of(bucket.name, subject.key)
        facts: dict[str, Fact] = {"s3:ResourceAccount": bucket.account, "aws:ResourceAccount": bucket.account}
        for name, fact in _FACTS.items():
            value = call.parameters.get(name)
            if value is not None:
                facts[fact] = rfc3339(value) if isinstance(value, datetime) else str(value)
        if subject.about is not None:
            facts |= {f"s3:ExistingObjectTag/{name}": value for name, value in subject.about.tags.items()}
        facts |= more
        policy = self._policy(call, action, subject, resource)
        return Question(action, resource, bucket.account, policy, facts=facts)

    def _policy(self, call: AwsCall, action: str, subject: Subject, resource: str) -> Value | None:
        bucket, policy = subject.bucket, subject.bucket.spec.policy
        is_outside = call.account != bucket.account and call.caller.kind is not CallerKind.SERVICE
        if policy is not None and is_outside and bucket.blocks("RestrictPublicBuckets") and policies.is_public(policy):
            policy = policies.without_allows(policy)
        whom = self._granted(call, action, subject) if bucket.has_acls else ""
        if not whom:
            return policy
        principal: object = "*" if whom == "*" else {"AWS": f"arn:aws:iam::{call.account}:root"}
        granted = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource}
        statements = policies.statements_of(policy) if policy is not None else []
        return {"Version": "2012-10-17", "Statement": [*statements, granted]}

    def _granted(self, call: AwsCall, action: str, subject: Subject) -> str:
        bucket = subject.bucket
        grants = bucket.spec.grants or acl.default_grants(bucket.account)
        whom = acl.allows(grants, call.caller, action, of_object=False)
        if subject.about is not None and not whom:
            grants = subject.about.grants or acl.default_grants(subject.about.owner)
            whom = acl.allows(grants, call.caller, action, of_object=True)
        return "" if whom == "*" and bucket.blocks("IgnorePublicAcls") else whom


def _without_none(members: Value) -> Value:
    return {name: value for name, value in members.items() if value is not None}


def owner_of(account: str) -> Value:
    """An Owner element."""
    return {"ID": canonical_id(account)}


def _is_version_id(text: str) -> bool:
    return text == "null" or len(text) == 32
