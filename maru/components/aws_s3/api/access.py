"""Who may: bucket policies and ACLs, put and told; what is public.

Source: Amazon S3 API reference, PutBucketPolicy, GetBucketPolicyStatus, PutBucketAcl, PutObjectAcl.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from maru.components.aws_s3.api.buckets import bucket_grants
from maru.components.aws_s3.api.reach import Reach, Subject, owner_of
from maru.components.aws_s3.errors import bad_argument, refusal
from maru.components.aws_s3.model import acl, policies
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.entry import About, Version
from maru.contracts.aws_service import AwsCall, AwsOperation, Members


class Access:
    """Policies and ACLs."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "GetBucketPolicy": AwsOperation(self.policy),
            "PutBucketPolicy": AwsOperation(self.put_policy),
            "DeleteBucketPolicy": AwsOperation(self.delete_policy),
            "GetBucketPolicyStatus": AwsOperation(self.policy_status),
            "GetBucketAcl": AwsOperation(self.bucket_acl),
            "PutBucketAcl": AwsOperation(self.put_bucket_acl),
            "GetObjectAcl": AwsOperation(self.object_acl),
            "PutObjectAcl": AwsOperation(self.put_object_acl),
        }

    async def policy(self, call: AwsCall) -> Members:
        """GetBucketPolicy."""
        bucket = self._allowed(call, "s3:GetBucketPolicy")
        if bucket.spec.policy is None:
            raise refusal("NoSuchBucketPolicy", BucketName=bucket.name)
        return {"Policy": bucket.spec.policy_text}

    async def put_policy(self, call: AwsCall) -> Members:
        """PutBucketPolicy."""
        bucket = self._allowed(call, "s3:PutBucketPolicy")
        text = str(call.parameters.get("Policy") or "")
        policy = policies.parse_policy(text, bucket.name)
        if bucket.blocks("BlockPublicPolicy") and policies.is_public(policy):
            who, what = call.caller.arn, f'"arn:aws:s3:::{bucket.name}"'
            why = "because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
            message = f"User: {who} is not authorized to perform: s3:PutBucketPolicy on resource: {what} {why}"
            raise refusal("AccessDenied", message)
        await self._reach.change(bucket, policy=policy, policyText=text)
        return {}

    async def delete_policy(self, call: AwsCall) -> Members:
        """DeleteBucketPolicy."""
        bucket = self._allowed(call, "s3:DeleteBucketPolicy")
        if bucket.spec.policy is not None:
            await self._reach.change(bucket, policy=None, policyText=None)
        return {}

    async def policy_status(self, call: AwsCall) -> Members:
        """GetBucketPolicyStatus."""
        bucket = self._allowed(call, "s3:GetBucketPolicyStatus")
        if bucket.spec.policy is None:
            raise refusal("NoSuchBucketPolicy", BucketName=bucket.name)
        return {"PolicyStatus": {"IsPublic": policies.is_public(bucket.spec.policy)}}

    async def bucket_acl(self, call: AwsCall) -> Members:
        """GetBucketAcl."""
        bucket = self._allowed(call, "s3:GetBucketAcl")
        grants = bucket.spec.grants if bucket.has_acls else None
        return {"Owner": owner_of(bucket.account), "Grants": acl.told(grants or acl.default_grants(bucket.account))}

    async def put_bucket_acl(self, call: AwsCall) -> Members:
        """PutBucketAcl."""
        bucket = self._allowed(call, "s3:PutBucketAcl")
        grants = self._given(call, bucket, bucket_grants(call.parameters, bucket.account), bucket.account)
        if bucket.has_acls:
            await self._reach.change(bucket, grants=grants)
        return {}

    async def object_acl(self, call: AwsCall) -> Members:
        """GetObjectAcl."""
        bucket = self._reach.bucket(call)
        version = await self._reach.version(call, bucket, "s3:GetObjectAcl")
        owner = version.about.owner if bucket.has_acls else bucket.account
        grants = version.about.grants if bucket.has_acls else None
        return {"Owner": owner_of(owner), "Grants": acl.told(grants or acl.default_grants(owner))}

    async def put_object_acl(self, call: AwsCall) -> Members:
        """PutObjectAcl."""
        bucket = self._reach.bucket(call)
        version = await self._reach.version(call, bucket, "s3:PutObjectAcl")
        owner, name = version.about.owner, call.parameters.get("ACL")
        if name is not None and name not in acl.OBJECT_CANNED:
            raise bad_argument("", "x-amz-acl", name)
        headers = acl.from_headers(call.parameters)
        canned = acl.canned(str(name), owner, bucket.account) if name is not None else None
        grants = self._given(call, bucket, canned or headers or None, owner)
        if bucket.has_acls:

            def change(had: Version) -> About:
                return structs.replace(had.about, grants=grants)

            await self._reach.depot.rewrite(self._reach.place(call, bucket), version.id, change)
        return {}

    def _given(self, call: AwsCall, bucket: Bucket, of_headers: acl.Grants | None, owner: str) -> acl.Grants:
        """The grants a request brings, one way or the other. Raises where ACLs are off or blocked."""
        policy = call.parameters.get("AccessControlPolicy")
        if of_headers is None and not policy:
            raise refusal("MissingSecurityHeader")
        if of_headers is not None and policy:
            raise refusal("UnexpectedContent")
        grants = of_headers if of_headers is not None else acl.from_policy(policy or {})
        if not bucket.has_acls:
            if grants == acl.default_grants(owner) or call.parameters.get("ACL") == "bucket-owner-full-control":
                return grants
            raise refusal("AccessControlListNotSupported")
        if acl.is_public(grants) and bucket.blocks("BlockPublicAcls"):
            what = f'"arn:aws:s3:::{bucket.name}"'
            why = "because public ACLs are prevented by the BlockPublicAcls setting in S3 Block Public Access."
            action = "s3:PutBucketAcl" if "Key" not in call.parameters else "s3:PutObjectAcl"
            message = f"User: {call.caller.arn} is not authorized to perform: {action} on resource: {what} {why}"
            raise refusal("AccessDenied", message)
        return grants

    def _allowed(self, call: AwsCall, action: str) -> Bucket:
        bucket = self._reach.bucket(call)
        self._reach.require(call, action, Subject(bucket))
        return bucket
