"""Buckets and their configurations."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.components.aws_s3.conftest import OTHER, World, caller


@pytest.mark.parametrize(
    "name", ["ab", "A-name", "-x1", "x1-", "a..b", "a.-b", "192.168.1.1", "xn--abc", "a_b", "x" * 64]
)
async def test_names_that_are_none_are_refused(s3: World, name: str) -> None:
    assert await s3.refused("CreateBucket", Bucket=name) == "InvalidBucketName"


async def test_names_are_unique_over_all_accounts(s3: World) -> None:
    bucket = await s3.bucket()
    assert await s3.acting_as(caller(OTHER)).refused("CreateBucket", Bucket=bucket) == "BucketAlreadyExists"
    await s3("CreateBucket", Bucket=bucket)
    assert await s3.refused("CreateBucket", Bucket=bucket, region="eu-west-1") == "IllegalLocationConstraintException"
    west = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}, "region": "eu-west-1"}
    assert await s3.refused("CreateBucket", Bucket=bucket, **west) == "BucketAlreadyOwnedByYou"


async def test_a_bucket_is_where_it_was_made(s3: World) -> None:
    home, west = await s3.bucket(), await s3.bucket(CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert "LocationConstraint" not in await s3("GetBucketLocation", Bucket=home)
    assert (await s3("GetBucketLocation", Bucket=west))["LocationConstraint"] == "eu-west-1"
    assert (await s3("HeadBucket", Bucket=west))["BucketRegion"] == "eu-west-1"
    wrong = {"CreateBucketConfiguration": {"LocationConstraint": "us-east-1"}}
    assert await s3.refused("CreateBucket", Bucket="another", **wrong) == "InvalidLocationConstraint"


async def test_buckets_are_listed_in_pages(s3: World) -> None:
    names = [await s3.bucket() for _ in range(3)]
    first = await s3("ListBuckets", MaxBuckets=2)
    rest = await s3("ListBuckets", MaxBuckets=2, ContinuationToken=first["ContinuationToken"])
    assert [one["Name"] for page in (first, rest) for one in page["Buckets"]] == names
    assert (await s3.acting_as(caller(OTHER))("ListBuckets"))["Buckets"] == []


async def test_only_an_empty_bucket_is_deleted_and_its_name_is_free(s3: World) -> None:
    bucket = await s3.bucket()
    await s3.put(bucket, "a")
    await s3("CreateMultipartUpload", Bucket=bucket, Key="b")
    assert await s3.refused("DeleteBucket", Bucket=bucket) == "BucketNotEmpty"
    await s3("DeleteObject", Bucket=bucket, Key="a")
    await s3("DeleteBucket", Bucket=bucket)
    assert await s3.refused("HeadBucket", Bucket=bucket) == "NoSuchBucket"
    await s3("CreateBucket", Bucket=bucket)
    assert (await s3("ListMultipartUploads", Bucket=bucket))["Uploads"] == []


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("GetBucketPolicy", "NoSuchBucketPolicy"),
        ("GetBucketCors", "NoSuchCORSConfiguration"),
        ("GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"),
        ("GetBucketReplication", "ReplicationConfigurationNotFoundError"),
        ("GetBucketTagging", "NoSuchTagSet"),
        ("GetBucketWebsite", "NoSuchWebsiteConfiguration"),
        ("GetObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"),
        ("GetBucketInventoryConfiguration", "NoSuchConfiguration"),
    ],
)
async def test_what_a_new_bucket_has_not_is_told_as_s3_does(s3: World, operation: str, code: str) -> None:
    assert await s3.refused(operation, Bucket=await s3.bucket(), Id="x") == code


async def test_a_new_bucket_is_closed_to_the_public_and_encrypts(s3: World) -> None:
    bucket = await s3.bucket()
    block = (await s3("GetPublicAccessBlock", Bucket=bucket))["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert (await s3("GetBucketOwnershipControls", Bucket=bucket))["OwnershipControls"] == {
        "Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]
    }
    rules = (await s3("GetBucketEncryption", Bucket=bucket))["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert await s3("GetBucketVersioning", Bucket=bucket) == {}
    assert await s3("GetBucketAccelerateConfiguration", Bucket=bucket) == {}
    assert await s3("GetBucketRequestPayment", Bucket=bucket) == {"Payer": "BucketOwner"}


CORS = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}


@pytest.mark.parametrize(
    ("noun", "name", "members"),
    [
        ("BucketCors", "CORSConfiguration", CORS),
        ("BucketWebsite", "WebsiteConfiguration", {"IndexDocument": {"Suffix": "index.html"}}),
    ],
)
async def test_a_configuration_is_answered_as_it_was_put(s3: World, noun: str, name: str, members: Any) -> None:
    bucket = await s3.bucket()
    await s3(f"Put{noun}", Bucket=bucket, **{name: members})
    assert await s3(f"Get{noun}", Bucket=bucket) == members
    await s3(f"Delete{noun}", Bucket=bucket)
    await s3.refused(f"Get{noun}", Bucket=bucket)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"Status": "Enabled", "Prefix": ""}, "InvalidRequest"),
        ({"Status": "on", "Prefix": "", "Expiration": {"Days": 1}}, "MalformedXML"),
        ({"Status": "Enabled", "Prefix": "", "Expiration": {"Days": 0}}, "InvalidArgument"),
        ({"Status": "Enabled", "Expiration": {"Days": 1}}, "MalformedXML"),
        (
            {"Status": "Enabled", "Prefix": "", "Transitions": [{"Days": 1, "StorageClass": "STANDARD"}]},
            "MalformedXML",
        ),
    ],
)
async def test_lifecycle_rules_are_checked(s3: World, rule: Any, code: str) -> None:
    bucket = await s3.bucket()
    put = {"LifecycleConfiguration": {"Rules": [rule]}}
    assert await s3.refused("PutBucketLifecycleConfiguration", Bucket=bucket, **put) == code


async def test_tags_of_a_bucket(s3: World) -> None:
    bucket = await s3.bucket()
    tags = [{"Key": "a", "Value": "1"}]
    await s3("PutBucketTagging", Bucket=bucket, Tagging={"TagSet": tags})
    assert (await s3("GetBucketTagging", Bucket=bucket))["TagSet"] == tags
    twice = {"TagSet": tags * 2}
    assert await s3.refused("PutBucketTagging", Bucket=bucket, Tagging=twice) == "InvalidTag"
    await s3("DeleteBucketTagging", Bucket=bucket)
    assert await s3.refused("GetBucketTagging", Bucket=bucket) == "NoSuchTagSet"


def policy_for(bucket: str, **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | more]})


async def test_a_policy_opens_a_bucket_once_nothing_blocks_it(s3: World) -> None:
    bucket = await s3.bucket()
    await s3.put(bucket, "a")
    assert await s3.anonymous.refused("GetObject", Bucket=bucket, Key="a") == "AccessDenied"
    assert await s3.refused("PutBucketPolicy", Bucket=bucket, Policy=policy_for(bucket)) == "AccessDenied"
    await s3("DeletePublicAccessBlock", Bucket=bucket)
    await s3("PutBucketPolicy", Bucket=bucket, Policy=policy_for(bucket))
    assert (await s3("GetBucketPolicy", Bucket=bucket))["Policy"] == policy_for(bucket)
    assert (await s3("GetBucketPolicyStatus", Bucket=bucket))["PolicyStatus"] == {"IsPublic": True}
    assert (await s3.anonymous("GetObject", Bucket=bucket, Key="a"))["Body"] == b"content"
    assert await s3.anonymous.refused("PutObject", b"", Bucket=bucket, Key="a") == "AccessDenied"
    block = {"RestrictPublicBuckets": True}
    await s3("PutPublicAccessBlock", Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert await s3.anonymous.refused("GetObject", Bucket=bucket, Key="a") == "AccessDenied"


@pytest.mark.parametrize(
    "policy",
    [
        "no json",
        "{}",
        policy_for("b", Effect="Maybe"),
        policy_for("b", Resource="arn:aws:s3:::other/*"),
        policy_for("b", Action="ec2:RunInstances"),
        policy_for("b", Principal={"AWS": "nobody"}),
        policy_for("b", Wish=1),
    ],
)
async def test_policies_that_are_none_are_refused(s3: World, policy: str) -> None:
    bucket = await s3.bucket()
    text = policy.replace("arn:aws:s3:::b/", f"arn:aws:s3:::{bucket}/")
    assert await s3.refused("PutBucketPolicy", Bucket=bucket, Policy=text) == "MalformedPolicy"


async def test_a_deny_holds_for_the_owner_too(s3: World) -> None:
    bucket = await s3.bucket()
    await s3("PutBucketPolicy", Bucket=bucket, Policy=policy_for(bucket, Effect="Deny"))
    await s3.put(bucket, "a")
    assert await s3.refused("GetObject", Bucket=bucket, Key="a") == "AccessDenied"


async def test_acls_are_off_in_a_new_bucket(s3: World) -> None:
    bucket = await s3.bucket()
    assert (
        await s3.refused("PutObject", b"", Bucket=bucket, Key="a", ACL="public-read") == "AccessControlListNotSupported"
    )
    assert await s3.refused("PutBucketAcl", Bucket=bucket, ACL="public-read") == "AccessControlListNotSupported"
    assert (
        await s3.refused("CreateBucket", Bucket="another", ACL="public-read") == "InvalidBucketAclWithObjectOwnership"
    )
    await s3.put(bucket, "a", ACL="bucket-owner-full-control")


async def test_acls_decide_where_they_are_on(s3: World) -> None:
    bucket = await s3.open_bucket()
    await s3.put(bucket, "open", ACL="public-read")
    await s3.put(bucket, "closed")
    assert (await s3.anonymous("GetObject", Bucket=bucket, Key="open"))["Body"] == b"content"
    assert await s3.anonymous.refused("GetObject", Bucket=bucket, Key="closed") == "AccessDenied"
    assert await s3.anonymous.refused("ListObjectsV2", Bucket=bucket) == "AccessDenied"
    await s3("PutBucketAcl", Bucket=bucket, ACL="public-read")
    assert len((await s3.anonymous("ListObjectsV2", Bucket=bucket))["Contents"]) == 2
    grants = (await s3("GetObjectAcl", Bucket=bucket, Key="open"))["Grants"]
    assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL", "READ"]
    await s3("PutPublicAccessBlock", Bucket=bucket, PublicAccessBlockConfiguration={"IgnorePublicAcls": True})
    assert await s3.anonymous.refused("GetObject", Bucket=bucket, Key="open") == "AccessDenied"


async def test_locked_versions_stay(s3: World) -> None:
    bucket = await s3.bucket(ObjectLockEnabledForBucket=True)
    until = s3.clock.now() + timedelta(days=1)
    put = await s3.put(bucket, "a", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    version = {"Bucket": bucket, "Key": "a", "VersionId": put["VersionId"]}
    assert (await s3("DeleteObject", Bucket=bucket, Key="a"))["DeleteMarker"] is True
    assert await s3.refused("DeleteObject", **version) == "AccessDenied"
    s3.authorizer.denied.add("s3:BypassGovernanceRetention")
    assert await s3.refused("DeleteObject", **version, BypassGovernanceRetention=True) == "AccessDenied"
    s3.authorizer.denied.clear()
    strict = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
    await s3("PutObjectRetention", **version, Retention=strict)
    assert await s3.refused("DeleteObject", **version, BypassGovernanceRetention=True) == "AccessDenied"
    sooner = {"Mode": "COMPLIANCE", "RetainUntilDate": until - timedelta(hours=1)}
    assert (
        await s3.refused("PutObjectRetention", **version, Retention=sooner, BypassGovernanceRetention=True)
        == "AccessDenied"
    )
    await s3.clock.advance(86_401)
    await s3("PutObjectLegalHold", **version, LegalHold={"Status": "ON"})
    assert await s3.refused("DeleteObject", **version) == "AccessDenied"
    await s3("PutObjectLegalHold", **version, LegalHold={"Status": "OFF"})
    assert (await s3("DeleteObject", **version))["VersionId"] == put["VersionId"]


async def test_a_default_retention_is_given_to_new_objects(s3: World) -> None:
    bucket = await s3.bucket(ObjectLockEnabledForBucket=True)
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 2}}}
    await s3("PutObjectLockConfiguration", Bucket=bucket, ObjectLockConfiguration=rule)
    await s3.put(bucket, "a")
    assert (await s3("GetObjectRetention", Bucket=bucket, Key="a"))["Retention"]["Mode"] == "COMPLIANCE"
    assert (
        await s3.refused("PutBucketVersioning", Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
        == "InvalidBucketState"
    )


async def test_a_bucket_keeps_several_configurations_of_a_kind_by_their_ids(s3: World) -> None:
    bucket = await s3.bucket()
    whole = {"Id": "whole"}
    tiers = [{"AccessTier": "ARCHIVE_ACCESS", "Days": 90}]
    cold = {"Id": "cold", "Status": "Enabled", "Filter": {"Prefix": "a/"}, "Tierings": tiers}
    await s3("PutBucketMetricsConfiguration", Bucket=bucket, Id="whole", MetricsConfiguration=whole)
    put, kept = "PutBucketIntelligentTieringConfiguration", "IntelligentTieringConfiguration"
    await s3(put, Bucket=bucket, Id="cold", IntelligentTieringConfiguration=cold)
    early = {**cold, "Tierings": [{"AccessTier": "ARCHIVE_ACCESS", "Days": 89}]}
    code = await s3.refused(put, Bucket=bucket, Id="cold", IntelligentTieringConfiguration=early)
    assert code == "InvalidArgument"
    assert (await s3(f"GetBucket{kept}", Bucket=bucket, Id="cold"))[kept] == cold
    listed = await s3("ListBucketMetricsConfigurations", Bucket=bucket)
    assert listed == {"IsTruncated": False, "MetricsConfigurationList": [whole]}
    await s3("DeleteBucketMetricsConfiguration", Bucket=bucket, Id="whole")
    gone = await s3.refused("GetBucketMetricsConfiguration", Bucket=bucket, Id="whole")
    assert gone == "NoSuchConfiguration"


async def test_metrics_configurations_are_listed_a_hundred_at_a_time(s3: World) -> None:
    bucket = await s3.bucket()
    for number in range(101):
        one = {"Id": f"m{number:03}"}
        await s3("PutBucketMetricsConfiguration", Bucket=bucket, Id=one["Id"], MetricsConfiguration=one)
    first = await s3("ListBucketMetricsConfigurations", Bucket=bucket)
    token = first["NextContinuationToken"]
    rest = await s3("ListBucketMetricsConfigurations", Bucket=bucket, ContinuationToken=token)
    assert (first["IsTruncated"], len(first["MetricsConfigurationList"])) == (True, 100)
    assert rest["MetricsConfigurationList"] == [{"Id": "m100"}]
