"""Keys as things: made, named, switched, deleted, and what of them outlives a restart."""

from __future__ import annotations

import pytest

from tests.components.aws_kms.conftest import ACCOUNT, Kms, opened
from tests.fakes.client import FakeClients
from tests.fakes.clock import FakeClock

DAY_S = 86400.0
NOWHERE = "00000000-0000-0000-0000-000000000000"


async def test_a_new_key_is_told_whole(kms: Kms) -> None:
    key = await kms.key(Description="orders", Tags=[{"TagKey": "team", "TagValue": "x"}])
    assert key == (await kms.call("DescribeKey", KeyId=key["Arn"]))["KeyMetadata"]
    told = {name: value for name, value in key.items() if value is not None}
    assert told.pop("CreationDate") == kms.clock.now()
    assert len(told.pop("CurrentKeyMaterialId")) == 64
    assert told == {
        "AWSAccountId": ACCOUNT,
        "KeyId": key["KeyId"],
        "Arn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key['KeyId']}",
        "Enabled": True,
        "Description": "orders",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "MultiRegion": False,
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
    }


async def test_usage_must_fit_the_spec(kms: Kms) -> None:
    text = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
    assert await kms.fails("CreateKey", KeySpec="HMAC_256") == ("ValidationException", text)
    text = "KeyUsage SIGN_VERIFY is not compatible with KeySpec HMAC_256"
    assert await kms.fails("CreateKey", KeySpec="HMAC_256", KeyUsage="SIGN_VERIFY") == ("ValidationException", text)
    assert (await kms.fails("CreateKey", KeySpec="SM2", KeyUsage="SIGN_VERIFY"))[0] == "UnsupportedOperationException"


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        (NOWHERE, f"Key 'arn:aws:kms:us-east-1:{ACCOUNT}:key/{NOWHERE}' does not exist"),
        ("fake-key-id", "Invalid keyId 'fake-key-id'"),
        ("mrk-fake-key-id", "Invalid keyId 'mrk-fake-key-id'"),
        (f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{NOWHERE}", "Invalid arn eu-west-1"),
        ("alias/none", f"Alias arn:aws:kms:us-east-1:{ACCOUNT}:alias/none is not found."),
    ],
)
async def test_a_key_that_is_not_there_is_told_by_what_was_asked(kms: Kms, reference: str, text: str) -> None:
    assert await kms.fails("DescribeKey", KeyId=reference) == ("NotFoundException", text)


async def test_where_no_alias_can_stand_none_is_looked_for(kms: Kms) -> None:
    key = await kms.key()
    await kms.call("CreateAlias", AliasName="alias/a", TargetKeyId=key["KeyId"])
    assert await kms.fails("EnableKeyRotation", KeyId="alias/a") == ("NotFoundException", "Invalid keyId alias/a")


async def test_a_disabled_key_does_nothing_until_enabled(kms: Kms) -> None:
    key = await kms.key()
    blob = (await kms.call("Encrypt", KeyId=key["KeyId"], Plaintext=b"x"))["CiphertextBlob"]
    await kms.call("DisableKey", KeyId=key["KeyId"])
    for operation, given in (
        ("Encrypt", {"KeyId": key["KeyId"], "Plaintext": b"x"}),
        ("Decrypt", {"CiphertextBlob": blob}),
        ("GenerateDataKey", {"KeyId": key["KeyId"], "KeySpec": "AES_256"}),
    ):
        assert await kms.fails(operation, **given) == ("DisabledException", f"{key['Arn']} is disabled.")
    await kms.call("EnableKey", KeyId=key["KeyId"])
    assert (await kms.call("Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"


async def test_a_key_is_gone_after_its_waiting_period_and_not_before(kms: Kms) -> None:
    key = await kms.key()
    await kms.call("CreateAlias", AliasName="alias/a", TargetKeyId=key["KeyId"])
    blob = (await kms.call("Encrypt", KeyId=key["KeyId"], Plaintext=b"x"))["CiphertextBlob"]
    for days in (6, 31):
        code, _ = await kms.fails("ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=days)
        assert code == "ValidationException"
    told = await kms.call("ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=7)
    assert (told["KeyState"], told["PendingWindowInDays"]) == ("PendingDeletion", 7)
    refusal = ("KMSInvalidStateException", f"{key['Arn']} is pending deletion.")
    assert await kms.fails("Decrypt", CiphertextBlob=blob) == refusal
    assert await kms.fails("EnableKey", KeyId=key["KeyId"]) == refusal
    assert await kms.fails("ScheduleKeyDeletion", KeyId=key["KeyId"]) == refusal
    await kms.clock.advance(6.9 * DAY_S)
    assert (await kms.call("DescribeKey", KeyId=key["KeyId"]))["KeyMetadata"]["DeletionDate"] == told["DeletionDate"]
    await kms.clock.advance(0.2 * DAY_S)
    assert (await kms.fails("DescribeKey", KeyId=key["KeyId"]))[0] == "NotFoundException"
    assert await kms.fails("Decrypt", CiphertextBlob=blob) == ("InvalidCiphertextException", "")
    assert not [alias for alias in (await kms.call("ListAliases"))["Aliases"] if "TargetKeyId" in alias]


async def test_a_cancelled_deletion_leaves_the_key_disabled(kms: Kms) -> None:
    key = await kms.key()
    text = f"{key['Arn']} is not pending deletion."
    assert await kms.fails("CancelKeyDeletion", KeyId=key["KeyId"]) == ("KMSInvalidStateException", text)
    await kms.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    assert (await kms.call("CancelKeyDeletion", KeyId=key["KeyId"]))["KeyId"] == key["Arn"]
    told = (await kms.call("DescribeKey", KeyId=key["KeyId"]))["KeyMetadata"]
    assert (told["KeyState"], told.get("DeletionDate")) == ("Disabled", None)


async def test_lists_come_in_pages_that_meet(kms: Kms) -> None:
    ids = {(await kms.key())["KeyId"] for _ in range(5)}
    seen, marker = [], None
    while True:
        page = await kms.call("ListKeys", Limit=2, **({"Marker": marker} if marker else {}))
        seen += [entry["KeyId"] for entry in page["Keys"]]
        marker = page.get("NextMarker")
        assert page["Truncated"] == (marker is not None)
        if marker is None:
            break
    assert sorted(seen) == sorted(ids)
    assert (await kms.fails("ListKeys", Marker="bad"))[0] == "InvalidMarkerException"
    assert (await kms.call("ListKeys", region="eu-west-1"))["Keys"] == []


async def test_tags_are_put_over_and_taken_away(kms: Kms) -> None:
    key = await kms.key(Tags=[{"TagKey": "a", "TagValue": "1"}, {"TagKey": "b", "TagValue": "2"}])
    await kms.call("TagResource", KeyId=key["KeyId"], Tags=[{"TagKey": "a", "TagValue": "3"}])
    await kms.call("UntagResource", KeyId=key["KeyId"], TagKeys=["b", "none"])
    assert (await kms.call("ListResourceTags", KeyId=key["KeyId"]))["Tags"] == [{"TagKey": "a", "TagValue": "3"}]
    assert (await kms.fails("TagResource", KeyId=key["KeyId"], Tags=[{"TagKey": "aws:x", "TagValue": ""}]))[
        0
    ] == "TagException"


async def test_aliases_point_where_they_are_set(kms: Kms) -> None:
    one, two = await kms.key(), await kms.key()
    await kms.call("CreateAlias", AliasName="alias/app/x_-", TargetKeyId=one["KeyId"])
    arn = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/app/x_-"
    assert await kms.fails("CreateAlias", AliasName="alias/app/x_-", TargetKeyId=two["KeyId"]) == (
        "AlreadyExistsException",
        f"An alias with the name {arn} already exists",
    )
    await kms.call("UpdateAlias", AliasName="alias/app/x_-", TargetKeyId=two["KeyId"])
    assert (await kms.call("DescribeKey", KeyId=arn))["KeyMetadata"]["KeyId"] == two["KeyId"]
    await kms.call("DeleteAlias", AliasName="alias/app/x_-")
    assert await kms.fails("DeleteAlias", AliasName="alias/app/x_-") == (
        "NotFoundException",
        f"Alias {arn} is not found.",
    )


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("alias/a:b", "ValidationException", "alias/a:b contains invalid characters for an alias"),
        ("alias/aws/s3", "NotAuthorizedException", ""),
        (
            "wrong/a",
            "ValidationException",
            'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html',
        ),
    ],
)
async def test_a_bad_alias_is_refused_in_the_services_words(kms: Kms, name: str, code: str, text: str) -> None:
    key = await kms.key()
    assert await kms.fails("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"]) == (code, text)


async def test_predefined_aliases_are_listed_before_they_have_keys(kms: Kms) -> None:
    aliases = (await kms.call("ListAliases"))["Aliases"]
    assert len(aliases) == 14
    assert {"AliasName": "alias/aws/s3", "AliasArn": f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/aws/s3"} in aliases


async def test_keys_decrypt_after_a_restart() -> None:
    clock = FakeClock()
    clients = FakeClients(clock)
    async with opened(clients, clock) as first:
        key = await first.key()
        blob = (await first.call("Encrypt", KeyId=key["KeyId"], Plaintext=b"x"))["CiphertextBlob"]
    async with opened(clients, clock) as second:
        assert (await second.call("Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"
        assert (await second.call("DescribeKey", KeyId=key["KeyId"]))["KeyMetadata"] == key


async def test_the_last_use_is_told(kms: Kms) -> None:
    key = await kms.key()
    assert "KeyLastUsage" not in await kms.call("GetKeyLastUsage", KeyId=key["KeyId"])
    await kms.call("Encrypt", KeyId=key["KeyId"], Plaintext=b"x")
    used = await kms.call("GetKeyLastUsage", KeyId=key["KeyId"])
    assert used["KeyLastUsage"]["Operation"] == "Encrypt"


async def test_settled_it_writes_nothing(kms: Kms) -> None:
    key = await kms.key()
    await kms.call("EnableKeyRotation", KeyId=key["KeyId"])
    await kms.clock.settle()
    before = len(kms.clients.acts)
    await kms.clock.advance(7 * DAY_S)
    assert len(kms.clients.acts) == before


async def test_what_became_due_while_nobody_ran_is_done_at_once() -> None:
    clock = FakeClock()
    clients = FakeClients(clock)
    async with opened(clients, clock) as first:
        key = await first.key()
        await first.call("ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=7)
    await clock.advance(8 * DAY_S)
    async with opened(clients, clock) as second:
        await clock.settle()
        assert (await second.fails("DescribeKey", KeyId=key["KeyId"]))[0] == "NotFoundException"
