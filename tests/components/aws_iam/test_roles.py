"""Roles are assumed by their trust policies, and sessions are bound by what was given with them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from maru.components.aws_iam import component
from maru.components.aws_iam.model.documents import USERS
from maru.contracts.aws_access import Question
from maru.core.document import Resource
from maru.core.errors import Denied, Invalid, MaruError, Unauthenticated
from maru.core.identity.tokens import Bound, TokenGrant, TokenIssuer
from maru.core.ids import SystemIds
from tests.components.aws_iam.conftest import ACCOUNT, ANY_POLICY, ISSUER, Bench, Iam

SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)
ASSUME = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}'


def trust(principal: object, condition: object = None, action: object = "sts:AssumeRole") -> str:
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": action}
    if condition:
        statement["Condition"] = condition
    return msgspec.json.encode({"Version": "2012-10-17", "Statement": [statement]}).decode()


async def role(iam: Iam, name: str, document: str, policy: str = ANY_POLICY) -> str:
    made = await iam("CreateRole", RoleName=name, AssumeRolePolicyDocument=document)
    await iam("PutRolePolicy", RoleName=name, PolicyName="p", PolicyDocument=policy)
    return str(made["Role"]["Arn"])


async def assume(iam: Iam, arn: str, **more: Any) -> Iam:
    keys = (await iam.sts("AssumeRole", RoleArn=arn, RoleSessionName="session", **more))["Credentials"]
    return iam.acting(keys["AccessKeyId"], keys["SessionToken"])


def may(iam: Iam, action: str, resource: str = "*") -> bool:
    return iam.gives.authorizer.decide(iam.caller, Question(action, resource), iam.circumstances).allowed


async def test_a_session_is_the_role_survives_a_restart_and_ends(bench: Bench) -> None:
    async with component.open(bench.needs()) as gives:
        iam = bench.iam(gives)
        arn = await role(iam, "worker", trust({"AWS": ACCOUNT}))
        session = await assume(iam, arn)
        keys = (await iam.sts("AssumeRole", RoleArn=arn, RoleSessionName="again"))["Credentials"]
        identity = await session.sts("GetCallerIdentity")
        assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/session"
        assert may(session, "s3:GetObject")
        assert not may(session, "kms:Encrypt")
    async with component.open(bench.needs()) as gives:
        again = bench.iam(gives).acting(keys["AccessKeyId"], keys["SessionToken"])
        assert may(again, "s3:GetObject")
        await bench.clock.advance(3601)
        with pytest.raises(Unauthenticated) as expired:
            gives.credentials.find(keys["AccessKeyId"], keys["SessionToken"])
        assert expired.value.details["code"] == "ExpiredToken"


async def test_an_external_id_is_asked_for(iam: Iam) -> None:
    arn = await role(iam, "vendor", trust({"AWS": ACCOUNT}, {"StringEquals": {"sts:ExternalId": "e-1"}}))
    user = await iam.user("ann", ASSUME)
    with pytest.raises(Denied) as denied:
        await assume(user, arn)
    assert denied.value.what == (
        f"User: arn:aws:iam::{ACCOUNT}:user/ann is not authorized to perform: sts:AssumeRole on resource: {arn}"
    )
    assert may(await assume(user, arn, ExternalId="e-1"), "s3:GetObject")


async def test_session_policies_narrow_and_tags_pass_on(iam: Iam) -> None:
    both = ["sts:AssumeRole", "sts:TagSession"]
    first = await role(iam, "first", trust({"AWS": ACCOUNT}, action=both), ASSUME)
    second = await role(iam, "second", trust({"AWS": first}, action=both))
    narrow = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}'
    narrowed = await assume(iam, second.replace("second", "first"), Policy=narrow)
    assert not may(narrowed, "sts:AssumeRole")
    tagged = await assume(iam, first, Tags=[{"Key": "team", "Value": "a"}], TransitiveTagKeys=["team"])
    chained = await assume(tagged, second)
    assert chained.caller.session is not None
    assert chained.caller.session.tags == {"team": "a"}
    with pytest.raises(Invalid, match="1 hour session limit for roles assumed by role chaining"):
        await assume(tagged, second, DurationSeconds=7200)


async def test_a_deleted_role_leaves_its_sessions_nothing(iam: Iam) -> None:
    arn = await role(iam, "gone", trust({"AWS": ACCOUNT}))
    session = await assume(iam, arn)
    await iam("DeleteRolePolicy", RoleName="gone", PolicyName="p")
    await iam("DeleteRole", RoleName="gone")
    await role(iam, "gone", trust({"AWS": ACCOUNT}))
    assert not may(session, "s3:GetObject")


async def test_a_service_account_assumes_a_role_by_its_token(bench: Bench) -> None:
    async with component.open(bench.needs()) as gives:
        iam = bench.iam(gives)
        made = await iam("CreateOpenIDConnectProvider", Url=ISSUER, ClientIDList=["sts.amazonaws.com"])
        host = ISSUER.removeprefix("https://")
        action = "sts:AssumeRoleWithWebIdentity"
        condition = {"StringEquals": {f"{host}:sub": "system:serviceaccount:default:app"}}
        arn = await role(iam, "irsa", trust({"Federated": made["OpenIDConnectProviderArn"]}, condition, action))
        tokens = TokenIssuer(bench.keys, ISSUER, bench.clients.store.get, bench.clock, SystemIds())
        for name in ("app", "other"):
            value = {"metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"}}
            await bench.clients.put(SERVICE_ACCOUNTS, value)

        def token(name: str, audience: str = "sts.amazonaws.com") -> str:
            grant = TokenGrant("default", Bound(name, f"uid-{name}"), (audience,), timedelta(hours=1))
            return tokens.issue(grant).token

        async def by(web_token: str) -> Any:
            return await iam.sts(
                "AssumeRoleWithWebIdentity", RoleArn=arn, RoleSessionName="pod", WebIdentityToken=web_token
            )

        answer = await by(token("app"))
        assert answer["SubjectFromWebIdentityToken"] == "system:serviceaccount:default:app"
        keys = answer["Credentials"]
        assert may(iam.acting(keys["AccessKeyId"], keys["SessionToken"]), "s3:GetObject")
        with pytest.raises(Denied):
            await by(token("other"))
        with pytest.raises(MaruError, match="audience"):
            await by(token("app", "elsewhere"))
        with pytest.raises(MaruError, match="not a valid token"):
            await by(token("app")[:-8] + "AAAAAAAA")


async def test_a_federated_user_has_what_both_allow_and_nothing_without_a_policy(iam: Iam) -> None:
    policy = ANY_POLICY.replace("s3:*", "*")
    user = await iam.user("ann", policy)
    for given, allowed in (({"Policy": ANY_POLICY}, True), ({}, False)):
        keys = (await user.sts("GetFederationToken", Name="bob", **given))["Credentials"]
        federated = iam.acting(keys["AccessKeyId"], keys["SessionToken"])
        assert may(federated, "s3:GetObject") is allowed
        assert not may(federated, "kms:Encrypt")


async def test_a_user_applied_by_hand_is_a_user(iam: Iam) -> None:
    client = iam.clients.acting_as("kubectl")
    spec = {
        "policies": {
            "p": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
        }
    }
    await client.create(USERS, {"metadata": {"name": "ann", "namespace": f"aws-{ACCOUNT}"}, "spec": spec})
    for _ in range(50):
        if (await iam("ListUsers"))["Users"]:
            break
        await iam.clock.advance(1)
    key = (await iam("CreateAccessKey", UserName="ann"))["AccessKey"]
    assert may(iam.acting(key["AccessKeyId"]), "s3:GetObject")


async def test_an_empty_description_is_one_and_none_is_none(iam: Iam) -> None:
    document = trust({"AWS": ACCOUNT})
    made = [
        (await iam("CreateRole", RoleName=name, AssumeRolePolicyDocument=document, **more))["Role"]["Description"]
        for name, more in (("said", {"Description": "worker"}), ("empty", {"Description": ""}), ("silent", {}))
    ]
    assert made == ["worker", "", None]


async def test_a_trust_policy_that_is_none_is_refused(iam: Iam) -> None:
    with pytest.raises(Invalid, match="invalid Json"):
        await iam("CreateRole", RoleName="any", AssumeRolePolicyDocument="some policy")
