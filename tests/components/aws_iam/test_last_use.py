"""When keys and roles were last used: known at once, there after a restart, gone with what was used."""

from __future__ import annotations

import pytest

from maru.components.aws_iam import component
from maru.components.aws_iam.model.documents import USES
from maru.core.errors import NotFound
from tests.components.aws_iam.conftest import ACCOUNT, ANY_POLICY, Bench, Iam
from tests.components.aws_iam.test_roles import assume, role, trust


def use(iam: Iam, service: str = "s3", region: str = "eu-west-1") -> None:
    iam.gives.credentials.used(iam.caller, service, region, iam.clock.now())


async def last_used(iam: Iam, key: str) -> dict[str, object]:
    told = await iam("GetAccessKeyLastUsed", AccessKeyId=key)
    return dict(told["AccessKeyLastUsed"])


async def test_the_use_of_a_key_is_known_at_once_and_after_a_restart(bench: Bench) -> None:
    async with component.open(bench.needs()) as gives:
        iam = bench.iam(gives)
        ann = await iam.user("ann", ANY_POLICY)
        key = ann.caller.access_key
        assert await last_used(iam, key) == {"ServiceName": "N/A", "Region": "N/A"}
        use(ann)
        expected = {"LastUsedDate": bench.clock.now(), "ServiceName": "s3", "Region": "eu-west-1"}
        assert await last_used(iam, key) == expected
    async with component.open(bench.needs()) as gives:
        iam = bench.iam(gives)
        assert await last_used(iam, key) == expected
        use(iam.acting(key), "kms", "us-east-1")
        await bench.clock.advance(61)
        assert (await last_used(iam, key))["ServiceName"] == "kms"


async def test_only_a_role_s_own_session_counts_as_its_use(bench: Bench) -> None:
    async with component.open(bench.needs()) as gives:
        iam = bench.iam(gives)
        arn = await role(iam, "worker", trust({"AWS": ACCOUNT}))
        session = await assume(iam, arn)
        assert (await iam("GetRole", RoleName="worker"))["Role"]["RoleLastUsed"] == {}
        use(session)
        expected = {"LastUsedDate": bench.clock.now(), "Region": "eu-west-1"}
        assert (await iam("GetRole", RoleName="worker"))["Role"]["RoleLastUsed"] == expected
    async with component.open(bench.needs()) as gives:
        iam = bench.iam(gives)
        assert (await iam("GetRole", RoleName="worker"))["Role"]["RoleLastUsed"] == expected
        await iam("DeleteRolePolicy", RoleName="worker", PolicyName="p")
        await iam("DeleteRole", RoleName="worker")
        await role(iam, "worker", trust({"AWS": ACCOUNT}))
        assert (await iam("GetRole", RoleName="worker"))["Role"]["RoleLastUsed"] == {}


async def test_a_use_of_what_is_gone_is_not_written(iam: Iam) -> None:
    ann = await iam.user("ann", ANY_POLICY)
    use(ann)
    await iam("DeleteAccessKey", UserName="ann", AccessKeyId=ann.caller.access_key)
    await iam("DeleteUserPolicy", UserName="ann", PolicyName="p")
    await iam("DeleteUser", UserName="ann")
    use(ann)
    await iam.clock.advance(61)
    listed = await iam.clients.acting_as("test", ["system:masters"]).list(USES)
    assert not listed.documents


async def test_the_access_advisor_tells_what_is_allowed_and_when_it_was_used_also_after_a_restart(bench: Bench) -> None:
    async with component.open(bench.needs()) as gives:
        iam = bench.iam(gives)
        ann = await iam.user("ann", ANY_POLICY)
        await iam("AttachUserPolicy", UserName="ann", PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
        use(ann)
        at = bench.clock.now()
    async with component.open(bench.needs()) as gives:
        iam = bench.iam(gives)
        job = (await iam("GenerateServiceLastAccessedDetails", Arn=ann.caller.arn))["JobId"]
        told = (await iam("GetServiceLastAccessedDetails", JobId=job))["ServicesLastAccessed"]
        assert [(one["ServiceNamespace"], one.get("LastAuthenticated")) for one in told] == [("iam", None), ("s3", at)]
        of_s3 = await iam("GetServiceLastAccessedDetailsWithEntities", JobId=job, ServiceNamespace="s3")
        assert [one["EntityInfo"]["Name"] for one in of_s3["EntityDetailsList"]] == ["ann"]
        with pytest.raises(NotFound):
            await iam("GetServiceLastAccessedDetails", JobId="0" * 36)
