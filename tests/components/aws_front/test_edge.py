"""The front's promises, with boto3 at one end and services of a few lines at the other."""

from __future__ import annotations

from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError

from maru.components.aws_front.api.head import Head
from maru.components.aws_front.api.hosts import Host, read_host
from maru.components.aws_front.api.records import Outcome, Records
from maru.components.aws_front.api.routing import Meant
from maru.components.aws_front.api.throttle import BUCKETS_MAX, Throttle
from maru.components.aws_front.config import AwsFrontConfig
from maru.core.clock import SystemClock
from maru.core.front.tls import ServerTls
from maru.core.identity.audit import AuditFiles, AuditLog
from maru.core.identity.ca import CertificateAuthority
from maru.core.ids import SystemIds
from maru.wire.aws.faults import Fault
from tests.components.aws_front.conftest import ACCESS_KEY, CALLER, SECRET, Objects, Users, told
from tests.fakes.clock import FakeClock


async def test_a_waiter_of_boto3_waits_until_what_it_waits_for_is_there(opened):
    users = Users(late=2)
    async with opened(users) as door:
        waiter = door.client("iam").get_waiter("user_exists")
        await told(waiter.wait, UserName="bob", WaiterConfig={"Delay": 0, "MaxAttempts": 5})
    assert [call.parameters["UserName"] for call in users.calls] == ["bob"] * 3


async def test_a_waiter_ends_where_the_model_says_that_it_failed(opened):
    async with opened(Users()) as door:
        door.access.denied.add("iam:GetUser")
        waiter = door.client("iam").get_waiter("user_exists")
        with pytest.raises(Exception, match="not authorized to perform: iam:GetUser"):
            await told(waiter.wait, UserName="bob", WaiterConfig={"Delay": 0, "MaxAttempts": 1})


async def test_a_call_carries_who_asked_and_how(opened):
    users = Users()
    async with opened(users) as door:
        await told(door.client("iam").get_user, UserName="bob")
    call = users.calls[0]
    assert (call.service, call.operation, call.caller, call.region) == ("iam", "GetUser", CALLER, "us-east-1")
    assert call.circumstances.source_ip == "127.0.0.1"
    assert call.circumstances.user_agent.startswith("Boto3/")
    assert call.host.startswith("127.0.0.1:") and call.headers["x-amz-date"]
    assert abs((datetime.now(UTC) - call.circumstances.now).total_seconds()) < 60


async def test_each_request_has_an_id_of_its_own_which_the_client_is_told(opened):
    users = Users()
    async with opened(users) as door:
        client = door.client("iam")
        answers = [await told(client.get_user, UserName="bob") for _ in range(3)]
    ids = [answer["ResponseMetadata"]["RequestId"] for answer in answers]
    assert ids == [call.request_id for call in users.calls]
    assert len(set(ids)) == 3


async def test_beyond_the_rate_a_client_is_told_to_slow_down(opened):
    config = AwsFrontConfig(requests_per_s=0.001, burst=2)
    async with opened(Users(), Objects(), config=config) as door:
        client = door.client("iam")
        for _ in range(2):
            await told(client.get_user, UserName="bob")
        with pytest.raises(ClientError) as refused:
            await told(client.get_user, UserName="bob")
        assert refused.value.response["Error"] == {"Type": "Sender", "Code": "Throttling", "Message": "Rate exceeded"}
        await told(door.client("s3").head_bucket, Bucket="other-service")


async def test_a_bucket_of_tokens_fills_with_time_and_for_each_account():
    clock = FakeClock()
    throttle = Throttle(AwsFrontConfig(requests_per_s=2, burst=3), clock)
    for _ in range(3):
        throttle.take("1", "kms")
    with pytest.raises(Fault, match="Rate exceeded"):
        throttle.take("1", "kms")
    throttle.take("2", "kms")
    throttle.take("1", "iam")
    clock.jump(0.5)
    throttle.take("1", "kms")
    with pytest.raises(Fault):
        throttle.take("1", "kms")
    clock.jump(3600)
    for _ in range(3):
        throttle.take("1", "kms")
    with pytest.raises(Fault):
        throttle.take("1", "kms")


async def test_any_number_of_accounts_is_counted_in_bounded_memory():
    throttle = Throttle(AwsFrontConfig(requests_per_s=1, burst=1), FakeClock())
    for number in range(BUCKETS_MAX + 10):
        throttle.take(str(number), "kms")
    assert len(throttle._buckets) <= BUCKETS_MAX


async def test_a_bucket_may_stand_in_the_host(opened):
    objects = Objects()
    async with opened(objects) as door:
        client = door.client("s3", host="s3.us-east-1.amazonaws.com", s3={"addressing_style": "virtual"})
        await told(client.put_object, Bucket="first.of.mine", Key="a/b c", Body=b"x")
        path_style = door.client("s3", s3={"addressing_style": "path"})
        await told(path_style.put_object, Bucket="second", Key="k", Body=b"x")
        await told(client.head_bucket, Bucket="third")
    assert objects.seen == [("first.of.mine", "a/b c"), ("second", "k"), ("third", "")]


@pytest.mark.parametrize(
    ("host", "meant"),
    [
        ("localhost:4566", Host()),
        ("127.0.0.1:4566", Host()),
        ("[::1]:4566", Host()),
        ("s3.us-east-1.amazonaws.com", Host()),
        ("s3.amazonaws.com", Host()),
        ("mine.s3.amazonaws.com", Host("mine")),
        ("mine.s3.eu-west-1.amazonaws.com:4566", Host("mine")),
        ("a.dotted.name.s3.us-west-2.amazonaws.com", Host("a.dotted.name")),
        ("mine.s3.localhost:4566", Host("mine")),
        ("mine.localhost:4566", Host("mine")),
        ("kms.us-east-1.amazonaws.com", Host()),
        ("mine.s3-website-us-east-1.amazonaws.com", Host("mine", True)),
        ("mine.s3-website.eu-central-1.amazonaws.com", Host("mine", True)),
        ("MINE.S3.Amazonaws.COM.", Host("mine")),
    ],
)
def test_what_a_host_means_is_told_by_its_form(host, meant):
    assert read_host(host) == meant


async def test_each_call_leaves_one_audit_record(opened):
    async with opened(Users()) as door:
        client = door.client("iam")
        await told(client.get_user, UserName="bob")
        await told(client.create_user, UserName="bob")
        door.access.denied.add("iam:CreateUser")
        with pytest.raises(ClientError):
            await told(client.create_user, UserName="eve")
        got, made, refused = await door.records()
    assert (got["verb"], made["verb"]) == ("get", "update")
    assert got["user"] == {"username": CALLER.arn, "groups": [], "extra": {"accessKey": [ACCESS_KEY]}}
    assert made["annotations"]["aws.maru.dev/operation"] == "iam:CreateUser"
    assert made["responseStatus"]["code"] == 200
    assert (refused["responseStatus"]["code"], refused["responseStatus"]["message"]) == (403, "AccessDenied")
    assert refused["sourceIPs"] == ["127.0.0.1"]
    assert refused["stageTimestamp"] >= refused["requestReceivedTimestamp"]
    assert len({record["auditID"] for record in (got, made, refused)}) == 3


async def test_what_is_not_done_says_so_and_what_is_no_operation_too(opened):
    async with opened(Users()) as door:
        with pytest.raises(ClientError) as refused:
            await told(door.client("iam").delete_user, UserName="bob")
    assert refused.value.response["Error"]["Code"] == "NotImplemented"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


@pytest.mark.parametrize(
    ("service", "operation", "is_kept"),
    [
        ("kms", "Encrypt", False), ("kms", "GenerateDataKey", False), ("kms", "CreateGrant", True),
        ("kms", "ScheduleKeyDeletion", True), ("iam", "GenerateCredentialReport", True), ("sts", "AssumeRole", True),
        ("s3", "GetObject", False),
    ],
)  # fmt: skip
async def test_the_log_of_writes_leaves_out_reads_and_uses_of_keys(opened, service, operation, is_kept):
    async with opened(Users()) as door:
        log = AuditLog(AuditFiles(door.folder, 1_000_000, 2), "writes", SystemClock(), SystemIds())
        outcome = Outcome(service, datetime(2026, 1, 2, tzinfo=UTC), 200)
        Records(log).pour(
            Head("POST", "/", "", {}, "/"), Meant(operation=operation, caller=CALLER), "127.0.0.1", outcome
        )
        await log.flush()
        records = (await door.records()) if is_kept else []
    assert [record["requestReceivedTimestamp"] for record in records] == ["2026-01-02T00:00:00.000000Z"] * is_kept
    assert (door.folder / "audit.log").exists() is is_kept


async def test_https_is_taken_on_the_same_port_and_told_to_policies(opened, tmp_path):
    authority = CertificateAuthority.open_blocking(tmp_path / "ca", SystemClock())
    made = authority.issue_server("front", ["localhost"], ["127.0.0.1"])
    (tmp_path / "front.crt").write_bytes(made.certificate)
    (tmp_path / "front.key").write_bytes(made.key)
    users = Users()
    async with opened(users, tls=ServerTls(tmp_path / "front.crt", tmp_path / "front.key")) as door:
        await told(door.client("iam").get_user, UserName="bob")
        secure = boto3.client(
            "iam",
            endpoint_url=f"https://127.0.0.1:{door.port}",
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET,
            verify=str(tmp_path / "ca" / "ca.crt"),
        )
        await told(secure.get_user, UserName="bob")
    assert [call.circumstances.is_secure for call in users.calls] == [False, True]


async def test_arns_are_spelled_in_the_partition_of_the_region(opened):
    users = Users()
    async with opened(users) as door:
        client = door.client("iam", region="cn-north-1")
        made = await told(client.create_user, UserName="bob", PermissionsBoundary="arn:aws-cn:iam::aws:policy/Limit")
    assert users.calls[0].parameters["PermissionsBoundary"] == "arn:aws:iam::aws:policy/Limit"
    assert made["User"]["Arn"].startswith("arn:aws-cn:iam::")


@pytest.mark.parametrize(("timeless", "is_let_in"), [((), False), ((ACCESS_KEY,), True)])
async def test_only_a_key_of_a_suite_whose_clock_stands_still_signs_at_any_time(opened, timeless, is_let_in):
    async with opened(Users(), clock=FakeClock(), timeless=timeless) as door:
        client = door.client("iam")
        if is_let_in:
            assert (await told(client.get_user, UserName="bob"))["User"]["UserName"] == "bob"
        else:
            with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
                await told(client.get_user, UserName="bob")
