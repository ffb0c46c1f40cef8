"""Key policies and grants decide, and nobody locks himself out unasked."""

from __future__ import annotations

import json

from maru.components.aws_kms.model.documents import KEYS
from maru.contracts.aws_access import AwsCaller, AwsSession, CallerKind
from tests.components.aws_kms.conftest import ACCOUNT, ALICE, Kms, user

BOB = user("bob")


def policy(*statements: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Resource": "*", **given} for given in statements]})


ROOT_RULES = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*"}


async def test_the_default_policy_leaves_it_to_iam(kms: Kms) -> None:
    key = await kms.key()
    told = json.loads((await kms.call("GetKeyPolicy", KeyId=key["KeyId"]))["Policy"])
    assert told["Id"] == "key-default-1"
    assert told["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    kms.authorizer.identity[BOB.arn] = ["kms:DescribeKey"]
    assert await kms.call("DescribeKey", KeyId=key["KeyId"], caller=BOB)
    assert (await kms.fails("Encrypt", KeyId=key["KeyId"], Plaintext=b"x", caller=BOB))[0] == "AccessDeniedException"


async def test_a_denial_in_the_key_policy_is_final(kms: Kms) -> None:
    denial = {"Effect": "Deny", "Principal": {"AWS": BOB.arn}, "Action": "kms:Decrypt"}
    key = await kms.key(Policy=policy(ROOT_RULES, denial))
    await kms.call("CreateGrant", KeyId=key["KeyId"], GranteePrincipal=BOB.arn, Operations=["Decrypt"])
    blob = (await kms.call("Encrypt", KeyId=key["KeyId"], Plaintext=b"x", caller=BOB))["CiphertextBlob"]
    assert (await kms.fails("Decrypt", CiphertextBlob=blob, caller=BOB))[0] == "AccessDeniedException"
    assert await kms.call("Decrypt", CiphertextBlob=blob)


async def test_a_policy_that_locks_its_putter_out_is_refused(kms: Kms) -> None:
    key = await kms.key()
    only_bob = policy({"Effect": "Allow", "Principal": {"AWS": BOB.arn}, "Action": "kms:*"})
    assert await kms.fails("PutKeyPolicy", KeyId=key["KeyId"], PolicyName="default", Policy=only_bob) == (
        "MalformedPolicyDocumentException",
        "The new key policy will not allow you to update the key policy in the future.",
    )
    await kms.call(
        "PutKeyPolicy",
        KeyId=key["KeyId"],
        PolicyName="default",
        Policy=only_bob,
        BypassPolicyLockoutSafetyCheck=True,
    )
    assert (await kms.fails("DescribeKey", KeyId=key["KeyId"]))[0] == "AccessDeniedException"
    assert await kms.call("DescribeKey", KeyId=key["KeyId"], caller=BOB)


async def test_what_is_no_policy_is_refused(kms: Kms) -> None:
    key = await kms.key()
    nobody = {"Effect": "Allow", "Principal": {"AWS": "nobody"}, "Action": "kms:*"}
    for text in ("my policy", "[]", "{}", policy(), policy(nobody), policy({"Effect": "Maybe"})):
        failure = await kms.fails("PutKeyPolicy", KeyId=key["KeyId"], PolicyName="default", Policy=text)
        assert failure[0] == "MalformedPolicyDocumentException"
    assert (await kms.fails("GetKeyPolicy", KeyId=key["KeyId"], PolicyName="other"))[0] == "NotFoundException"
    assert (await kms.call("ListKeyPolicies", KeyId=key["KeyId"]))["PolicyNames"] == ["default"]


async def test_a_grant_allows_its_operations_in_its_context_only(kms: Kms) -> None:
    key = await kms.key()
    kms.authorizer.identity[BOB.arn] = []
    given = {"KeyId": key["KeyId"], "Plaintext": b"x", "caller": BOB}
    assert (await kms.fails("Encrypt", **given))[0] == "AccessDeniedException"
    made = await kms.call(
        "CreateGrant",
        KeyId=key["KeyId"],
        GranteePrincipal=BOB.arn,
        Operations=["Encrypt"],
        Constraints={"EncryptionContextSubset": {"a": "1"}},
    )
    assert (await kms.fails("Encrypt", **given))[0] == "AccessDeniedException"
    sealed = await kms.call(
        "Encrypt", EncryptionContext={"a": "1", "b": "2"}, GrantTokens=[made["GrantToken"]], **given
    )
    failure = await kms.fails(
        "Decrypt", CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext={"a": "1", "b": "2"}, caller=BOB
    )
    assert failure[0] == "AccessDeniedException"
    assert (await kms.fails("Encrypt", GrantTokens=["bad"], **given))[0] == "InvalidGrantTokenException"
    await kms.call("RevokeGrant", KeyId=key["KeyId"], GrantId=made["GrantId"])
    assert (await kms.fails("Encrypt", EncryptionContext={"a": "1"}, **given))[0] == "AccessDeniedException"


async def test_a_grant_to_a_role_is_one_to_its_sessions(kms: Kms) -> None:
    key = await kms.key()
    role = f"arn:aws:iam::{ACCOUNT}:role/app"
    now = kms.clock.now()
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/s"
    session = AwsCaller(CallerKind.ROLE, ACCOUNT, arn, "AROA:s", session=AwsSession(role, now, now))
    kms.authorizer.identity[arn] = []
    await kms.call("CreateGrant", KeyId=key["KeyId"], GranteePrincipal=role, Operations=["GenerateDataKey"])
    assert await kms.call("GenerateDataKey", KeyId=key["KeyId"], KeySpec="AES_256", caller=session)


async def test_grants_are_listed_by_what_is_asked(kms: Kms) -> None:
    key = await kms.key()
    one = await kms.call("CreateGrant", KeyId=key["KeyId"], GranteePrincipal=BOB.arn, Operations=["Decrypt"], Name="n")
    again = await kms.call(
        "CreateGrant", KeyId=key["KeyId"], GranteePrincipal=BOB.arn, Operations=["Decrypt"], Name="n"
    )
    assert again["GrantId"] == one["GrantId"] and again["GrantToken"] != one["GrantToken"]
    two = await kms.call(
        "CreateGrant", KeyId=key["KeyId"], GranteePrincipal=ALICE.arn, RetiringPrincipal=BOB.arn, Operations=["Encrypt"]
    )
    grants = (await kms.call("ListGrants", KeyId=key["KeyId"]))["Grants"]
    assert {grant["GrantId"] for grant in grants} == {one["GrantId"], two["GrantId"]}
    (only,) = (await kms.call("ListGrants", KeyId=key["KeyId"], GrantId=one["GrantId"]))["Grants"]
    assert (only["Name"], only["KeyId"], only["Operations"]) == ("n", key["Arn"], ["Decrypt"])
    assert only["IssuingAccount"] == f"arn:aws:iam::{ACCOUNT}:root"
    (mine,) = (await kms.call("ListRetirableGrants", RetiringPrincipal=BOB.arn))["Grants"]
    assert mine["GrantId"] == two["GrantId"]


async def test_a_grant_is_retired_by_whom_it_names(kms: Kms) -> None:
    key = await kms.key()
    for name in (BOB.arn, ALICE.arn):
        kms.authorizer.identity[name] = ["kms:CreateKey", "kms:CreateGrant", "kms:RevokeGrant", "kms:ListGrants"]
    given = {"KeyId": key["KeyId"], "GranteePrincipal": ALICE.arn, "Operations": ["Encrypt"]}
    kept = await kms.call("CreateGrant", **given)
    made = await kms.call("CreateGrant", RetiringPrincipal=BOB.arn, **given)
    assert (await kms.fails("RetireGrant", GrantToken=kept["GrantToken"], caller=BOB))[0] == "AccessDeniedException"
    await kms.call("RetireGrant", GrantToken=made["GrantToken"], caller=BOB)
    assert [grant["GrantId"] for grant in (await kms.call("ListGrants", KeyId=key["KeyId"]))["Grants"]] == [
        kept["GrantId"]
    ]
    assert await kms.fails("RevokeGrant", KeyId=key["KeyId"], GrantId="aabbccdd") == (
        "NotFoundException",
        "Grant ID aabbccdd not found",
    )


async def test_the_facts_of_a_request_reach_the_policy_engine(kms: Kms) -> None:
    key = await kms.key(Tags=[{"TagKey": "team", "TagValue": "x"}])
    await kms.call("CreateAlias", AliasName="alias/a", TargetKeyId=key["KeyId"])
    await kms.call("Encrypt", KeyId="alias/a", Plaintext=b"x", EncryptionContext={"c": "1"})
    facts = kms.authorizer.asked[-1].facts
    assert facts == {
        "kms:CallerAccount": ACCOUNT,
        "kms:KeySpec": "SYMMETRIC_DEFAULT",
        "kms:KeyUsage": "ENCRYPT_DECRYPT",
        "kms:KeyOrigin": "AWS_KMS",
        "kms:MultiRegion": "false",
        "kms:ResourceAliases": ("alias/a",),
        "kms:RequestAlias": "alias/a",
        "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "kms:EncryptionContextKeys": ("c",),
        "kms:EncryptionContext:c": "1",
        "aws:ResourceTag/team": "x",
    }


async def test_a_policy_spoilt_by_hand_lets_nobody_in(kms: Kms) -> None:
    key = await kms.key()
    name = f"us-east-1.{key['KeyId']}"
    await kms.clients.acting_as("hand").patch(KEYS, f"aws-{ACCOUNT}", name, {"spec": {"policy": "spoilt"}})
    await kms.clock.settle()
    assert (await kms.fails("DescribeKey", KeyId=key["KeyId"]))[0] == "AccessDeniedException"
