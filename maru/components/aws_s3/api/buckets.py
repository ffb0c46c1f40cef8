"""Buckets: made, found, listed, deleted; where they are, and whether they keep versions.

Source: Amazon S3 API reference, CreateBucket, DeleteBucket, HeadBucket, ListBuckets, GetBucketLocation.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from maru.components.aws_s3 import quirks
from maru.components.aws_s3.api.reach import Reach, Subject, owner_of
from maru.components.aws_s3.errors import bad_argument, refusal
from maru.components.aws_s3.model import acl, draft_headers
from maru.components.aws_s3.model.bucket import Bucket, BucketSpec
from maru.components.aws_s3.model.names import HOME, arn_of, check_bucket_name, region_for
from maru.contracts.aws_access import CallerKind
from maru.contracts.aws_service import BODY, HEADERS, AwsCall, AwsOperation, Members
from maru.core.document import Value
from maru.core.errors import AlreadyExists

OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
BUCKETS_MAX = 10_000


class Buckets:
    """The buckets themselves."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "CreateBucket": AwsOperation(self.create),
            "DeleteBucket": AwsOperation(self.delete),
            "HeadBucket": AwsOperation(self.head),
            "ListBuckets": AwsOperation(self.list),
            "GetBucketLocation": AwsOperation(self.location),
            "GetBucketVersioning": AwsOperation(self.versioning),
            "PutBucketVersioning": AwsOperation(self.put_versioning),
        }

    async def create(self, call: AwsCall) -> Members:
        """CreateBucket."""
        parameters = call.parameters
        name = str(parameters["Bucket"])
        if call.caller.kind is CallerKind.ANONYMOUS:
            raise refusal("AccessDenied")
        check_bucket_name(name)
        given: Value = parameters.get("CreateBucketConfiguration") or {}
        region = region_for(given.get("LocationConstraint"), call.region or HOME)
        tags = draft_headers.tags_of_set(given.get("Tags"), count_max=50) if given.get("Tags") else None
        spec = self._spec(call, region) | ({"tags": tags} if tags is not None else {})
        probe = _probe(name, call.account, region, self._reach)
        self._reach.require(call, "s3:CreateBucket", Subject(probe), {"s3:LocationConstraint": region})
        had = self._reach.find(name)
        if had is None:
            try:
                await self._reach.kept.create({"metadata": {"name": name}, "spec": spec})
            except AlreadyExists:
                had = self._reach.find(name)
                if had is None:
                    raise refusal("BucketAlreadyExists", BucketName=name) from None
        if had is not None:
            if had.account != call.account:
                raise refusal("BucketAlreadyExists", BucketName=name)
            if call.region != HOME or had.spec.region != HOME:
                raise refusal("BucketAlreadyOwnedByYou", BucketName=name)
        location = f"/{name}" if region == HOME else f"http://{name}.s3.amazonaws.com/"
        return {"Location": location, "BucketArn": arn_of(name)}

    async def delete(self, call: AwsCall) -> Members:
        """DeleteBucket: only when nothing is in it."""
        bucket = self._reach.bucket(call)
        self._reach.require(call, "s3:DeleteBucket", Subject(bucket))
        depot = self._reach.depot
        await depot.close_bucket(bucket.id, bucket.name)
        try:
            await self._reach.kept.delete("", bucket.name)
        except BaseException:
            depot.reopen_bucket(bucket.id)
            raise
        return {}

    async def head(self, call: AwsCall) -> Members:
        """HeadBucket."""
        bucket = self._reach.bucket(call)
        self._reach.require(call, "s3:ListBucket", Subject(bucket))
        return {
            "BucketRegion": bucket.spec.region,
            "AccessPointAlias": False,
            "BucketArn": arn_of(bucket.name),
            HEADERS: {"Content-Type": "application/xml"},
        }

    async def list(self, call: AwsCall) -> Members:
        """ListBuckets: those of the caller's account, by name."""
        if call.caller.kind is CallerKind.ANONYMOUS:
            raise refusal("AccessDenied")
        self._reach.require_any(call, "s3:ListAllMyBuckets")
        parameters = call.parameters
        size = parameters.get("MaxBuckets")
        if size is not None and not 1 <= int(size) <= BUCKETS_MAX:
            raise bad_argument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", size)
        after = _after(parameters.get("ContinuationToken"))
        prefix, region = str(parameters.get("Prefix") or ""), parameters.get("BucketRegion")
        found = [
            bucket
            for bucket in self._reach.kept.by_index("account", call.account)
            if bucket.name > after and bucket.name.startswith(prefix) and region in (None, bucket.spec.region)
        ]
        shown = found[: int(size)] if size is not None else found
        is_paged = any(parameters.get(name) is not None for name in ("MaxBuckets", "Prefix", "BucketRegion"))
        answer: Members = {"Owner": owner_of(call.account), "Buckets": [_told(bucket, is_paged) for bucket in shown]}
        if prefix:
            answer["Prefix"] = prefix
        if len(shown) < len(found):
            answer["ContinuationToken"] = base64.urlsafe_b64encode(shown[-1].name.encode()).decode()
        return answer

    async def location(self, call: AwsCall) -> Members:
        """GetBucketLocation: nothing for us-east-1."""
        bucket = self._reach.bucket(call)
        self._reach.require(call, "s3:GetBucketLocation", Subject(bucket))
        region = "" if bucket.spec.region == HOME else bucket.spec.region
        page: Members = {BODY: quirks.location_page(region), HEADERS: {"Content-Type": "application/xml"}}
        return {"LocationConstraint": region or None, **page}

    async def versioning(self, call: AwsCall) -> Members:
        """GetBucketVersioning."""
        bucket = self._reach.bucket(call)
        self._reach.require(call, "s3:GetBucketVersioning", Subject(bucket))
        return {"Status": bucket.spec.versioning or None}

    async def put_versioning(self, call: AwsCall) -> Members:
        """PutBucketVersioning."""
        bucket = self._reach.bucket(call)
        self._reach.require(call, "s3:PutBucketVersioning", Subject(bucket))
        given: Value = call.parameters["VersioningConfiguration"]
        status = given.get("Status")
        if status is None:
            raise refusal("IllegalVersioningConfigurationException")
        if status not in ("Enabled", "Suspended"):
            raise refusal("MalformedXML")
        if given.get("MFADelete") == "Enabled":
            raise refusal("NotImplemented", "MFA delete is not implemented.")
        if bucket.spec.object_lock and status == "Suspended":
            text = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
            raise refusal("InvalidBucketState", text)
        await self._reach.change(bucket, versioning=status)
        return {}

    def _spec(self, call: AwsCall, region: str) -> Value:
        parameters, config = call.parameters, self._reach.config
        if parameters.get("BucketNamespace") not in (None, "global"):
            raise refusal("NotImplemented", Header="x-amz-bucket-namespace")
        ownership = str(parameters.get("ObjectOwnership") or config.new_bucket_ownership)
        if ownership not in OWNERSHIPS:
            raise bad_argument(
                f"Invalid x-amz-object-ownership header: {ownership}", "x-amz-object-ownership", ownership
            )
        settings: Value = {"OwnershipControls": {"Rules": [{"ObjectOwnership": ownership}]}}
        if config.new_bucket_blocks_public:
            settings["PublicAccessBlockConfiguration"] = dict.fromkeys(BLOCKS, True)
        spec: Value = {"name": call.parameters["Bucket"], "account": call.account, "region": region}
        spec["id"] = self._reach.ids.suffix(12)
        grants = bucket_grants(parameters, call.account)
        if grants is not None:
            if ownership == "BucketOwnerEnforced" and parameters.get("ACL") != "private":
                raise refusal("InvalidBucketAclWithObjectOwnership")
            if acl.is_public(grants) and config.new_bucket_blocks_public:
                raise refusal("InvalidBucketAclWithBlockPublicAccessError")
            spec["grants"] = grants
        if parameters.get("ObjectLockEnabledForBucket"):
            spec |= {"objectLock": True, "versioning": "Enabled"}
            settings["ObjectLockConfiguration"] = {"ObjectLockEnabled": "Enabled"}
        return spec | {"settings": settings}


def bucket_grants(parameters: Mapping[str, object], owner: str) -> acl.Grants | None:
    """The grants a bucket's request brings in headers; None if there are none."""
    name, grants = parameters.get("ACL"), acl.from_headers(parameters)
    if name is None:
        return (
            [*acl.default_grants(owner), *grants]
            if grants and parameters.get("GrantFullControl") is None
            else grants or None
        )
    if grants:
        raise refusal("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
    if name not in acl.BUCKET_CANNED:
        raise bad_argument("", "x-amz-acl", name)
    return acl.canned(str(name), owner, owner)


def _probe(name: str, account: str, region: str, reach: Reach) -> Bucket:
    """A bucket that is not there yet, to ask about."""
    settings: dict[str, dict[str, object]] = {
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    }
    return Bucket(BucketSpec(name, account, region, "", settings=settings), reach.depot.now(), "")


def _told(bucket: Bucket, is_paged: bool) -> Members:
    told: Members = {"Name": bucket.name, "CreationDate": bucket.created, "BucketArn": arn_of(bucket.name)}
    return told | {"BucketRegion": bucket.spec.region} if is_paged else told


def _after(token: object) -> str:
    if token is None:
        return ""
    try:
        return base64.urlsafe_b64decode(str(token)).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise bad_argument("The continuation token provided is incorrect", "continuation-token", token) from error
