"""The first key and who it is of."""

from __future__ import annotations

import msgspec
import pytest

from maru.components.aws_iam import component
from maru.contracts.aws_access import CallerKind
from maru.core.errors import Denied, Unauthenticated
from tests.components.aws_iam.conftest import ACCOUNT, Bench, Iam


async def test_a_platform_begins_with_its_root_users_key_which_only_root_can_read(iam: Iam) -> None:
    path = iam.data_dir / "aws-credentials.json"
    told = msgspec.json.decode(path.read_bytes())
    assert path.stat().st_mode & 0o777 == 0o600
    credential = iam.gives.credentials.find(told["accessKeyId"], "")
    assert credential.secret == told["secretAccessKey"]
    assert credential.caller.kind is CallerKind.ROOT
    assert await iam.sts("GetCallerIdentity") == {
        "UserId": ACCOUNT,
        "Account": ACCOUNT,
        "Arn": f"arn:aws:iam::{ACCOUNT}:root",
    }
    assert (await iam.sts("GetAccessKeyInfo", AccessKeyId=told["accessKeyId"])) == {"Account": ACCOUNT}


async def test_the_first_key_stays_over_a_restart_and_a_lost_file_is_written_again(bench: Bench) -> None:
    async with component.open(bench.needs()) as gives:
        first = bench.iam(gives).caller.access_key
    (bench.data_dir / "aws-credentials.json").unlink()
    async with component.open(bench.needs()) as gives:
        assert bench.iam(gives).caller.access_key == first


async def test_a_users_key_is_the_user_until_it_is_inactive(iam: Iam) -> None:
    mary = await iam.user("mary")
    assert mary.caller.arn == f"arn:aws:iam::{ACCOUNT}:user/mary"
    with pytest.raises(Denied) as denied:
        await mary("CreateUser", UserName="other")
    assert denied.value.what == (
        f"User: arn:aws:iam::{ACCOUNT}:user/mary is not authorized to perform: iam:CreateUser on resource: "
        f"arn:aws:iam::{ACCOUNT}:user/other because no identity-based policy allows the iam:CreateUser action"
    )
    key = mary.caller.access_key
    await iam("UpdateAccessKey", UserName="mary", AccessKeyId=key, Status="Inactive")
    with pytest.raises(Unauthenticated) as invalid:
        iam.gives.credentials.find(key, "")
    assert invalid.value.details["code"] == "InvalidClientTokenId"


async def test_a_key_nobody_made_is_refused(iam: Iam) -> None:
    with pytest.raises(Unauthenticated):
        iam.gives.credentials.find("AKIAIOSFODNN7EXAMPLE", "")
    with pytest.raises(Unauthenticated):
        iam.gives.credentials.find("ASIAIOSFODNN7EXAMPLE", "no token of ours")
