"""Accounts and units: where they stand, how they come and go."""

from __future__ import annotations

import re

import pytest

from maru.kinds.aws import ACCOUNTS, ROOT_ACCOUNT
from maru.kinds.resources import NAMESPACES
from tests.components.aws_organizations.conftest import Organizations, opened
from tests.fakes.client import FakeClients
from tests.fakes.clock import FakeClock

NOT_IN_USE = ("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.", "")


async def test_an_organization_is_told_as_it_was_made(bare: Organizations) -> None:
    assert await bare.fails("DescribeOrganization") == NOT_IN_USE
    made = await bare.organization(FeatureSet="ALL")
    assert re.fullmatch(r"o-[a-z0-9]{10}", made["Id"])
    assert made["MasterAccountId"] == ROOT_ACCOUNT
    assert made["Arn"] == f"arn:aws:organizations::{ROOT_ACCOUNT}:organization/{made['Id']}"
    assert (await bare.call("DescribeOrganization"))["Organization"] == made
    assert (await bare.fails("CreateOrganization"))[0] == "AlreadyInOrganizationException"
    (root,) = (await bare.call("ListRoots"))["Roots"]
    assert (root["Name"], root["PolicyTypes"]) == ("Root", [])
    assert (await bare.call("DeleteOrganization")) == {}
    assert await bare.fails("DescribeOrganization") == NOT_IN_USE


async def test_a_created_account_is_a_real_one(organizations: Organizations) -> None:
    made = (await organizations.call("CreateAccount", AccountName="dev", Email="dev@example.com"))[
        "CreateAccountStatus"
    ]
    assert made["State"] == "SUCCEEDED"
    told = await organizations.call("DescribeCreateAccountStatus", CreateAccountRequestId=made["Id"])
    assert told["CreateAccountStatus"] == made
    account = (await organizations.call("DescribeAccount", AccountId=made["AccountId"]))["Account"]
    assert (account["Name"], account["Status"], account["JoinedMethod"]) == ("dev", "ACTIVE", "CREATED")
    document = organizations.clients.find(ACCOUNTS, "", made["AccountId"])
    assert document is not None
    assert document["spec"]["roleName"] == "OrganizationAccountAccessRole"
    assert document["spec"]["management"] == ROOT_ACCOUNT
    assert organizations.clients.find(NAMESPACES, "", f"aws-{made['AccountId']}") is not None


async def test_an_email_is_of_one_account(organizations: Organizations) -> None:
    await organizations.account("dev")
    again = await organizations.call("CreateAccount", AccountName="x", Email="DEV@example.com")
    assert again["CreateAccountStatus"]["FailureReason"] == "EMAIL_ALREADY_EXISTS"
    states = await organizations.call("ListCreateAccountStatus", States=["FAILED"])
    assert len(states["CreateAccountStatuses"]) == 1


async def test_accounts_are_listed_as_they_joined_and_in_pages(organizations: Organizations) -> None:
    made = [await organizations.account(f"a{number}") for number in range(5)]
    everyone = [one["Id"] for one in (await organizations.call("ListAccounts"))["Accounts"]]
    assert everyone[0] == ROOT_ACCOUNT and sorted(everyone[1:]) == sorted(made)
    seen, token = [], None
    while True:
        page = await organizations.call("ListAccounts", MaxResults=4, **({"NextToken": token} if token else {}))
        seen += [one["Id"] for one in page["Accounts"]]
        token = page.get("NextToken")
        if token is None:
            break
    assert seen == everyone
    assert (await organizations.fails("ListAccounts", NextToken="x"))[2] == "INVALID_NEXT_TOKEN"


async def test_units_nest_five_deep(organizations: Organizations) -> None:
    parent = root = await organizations.root_id()
    for depth in range(5):
        parent = await organizations.unit(parent, f"u{depth}")
    assert (await organizations.fails("CreateOrganizationalUnit", ParentId=parent, Name="u5"))[
        2
    ] == "OU_DEPTH_LIMIT_EXCEEDED"
    told = (await organizations.call("DescribeOrganizationalUnit", OrganizationalUnitId=parent))["OrganizationalUnit"]
    assert told["Path"].split("/")[1] == root and len(told["Path"].split("/")) == 8
    duplicate = await organizations.fails("CreateOrganizationalUnit", ParentId=root, Name="u0")
    assert duplicate[:2] == ("DuplicateOrganizationalUnitException", "An OU with the same name already exists.")


async def test_a_moved_account_is_under_its_new_parent(organizations: Organizations) -> None:
    root, account = await organizations.root_id(), await organizations.account("dev")
    unit = await organizations.unit(root, "u")
    move = {"AccountId": account, "SourceParentId": root, "DestinationParentId": unit}
    await organizations.call("MoveAccount", **move)
    assert (await organizations.call("ListParents", ChildId=account))["Parents"] == [
        {"Id": unit, "Type": "ORGANIZATIONAL_UNIT"}
    ]
    assert (await organizations.call("ListChildren", ParentId=unit, ChildType="ACCOUNT"))["Children"] == [
        {"Id": account, "Type": "ACCOUNT"}
    ]
    assert (await organizations.fails("MoveAccount", **move))[0] == "DuplicateAccountException"
    assert (await organizations.fails("DeleteOrganizationalUnit", OrganizationalUnitId=unit))[0] == (
        "OrganizationalUnitNotEmptyException"
    )
    path = organizations.gives.guardrails.path_of(account)
    assert path.endswith(f"/{root}/{unit}/")


@pytest.mark.parametrize(
    ("operation", "parameters", "code"),
    [
        ("DescribeAccount", {"AccountId": "111111111111"}, "AccountNotFoundException"),
        ("ListChildren", {"ParentId": "r-none", "ChildType": "ACCOUNT"}, "ParentNotFoundException"),
        (
            "DescribeOrganizationalUnit",
            {"OrganizationalUnitId": "ou-none-12345678"},
            "OrganizationalUnitNotFoundException",
        ),
        ("ListParents", {"ChildId": "111111111111"}, "ChildNotFoundException"),
        ("DescribePolicy", {"PolicyId": "p-12345678"}, "PolicyNotFoundException"),
        ("DescribePolicy", {"PolicyId": "meaningless"}, "InvalidInputException"),
        ("DescribeHandshake", {"HandshakeId": "h-12345678"}, "HandshakeNotFoundException"),
        ("EnablePolicyType", {"RootId": "r-none", "PolicyType": "TAG_POLICY"}, "RootNotFoundException"),
        ("ListTagsForResource", {"ResourceId": "000000000000"}, "TargetNotFoundException"),
        ("DescribeResourcePolicy", {}, "ResourcePolicyNotFoundException"),
    ],
)
async def test_what_is_not_there_is_told_by_its_kind(
    organizations: Organizations, operation: str, parameters: dict[str, object], code: str
) -> None:
    assert (await organizations.fails(operation, **parameters))[0] == code


async def test_a_removed_account_stands_alone(organizations: Organizations) -> None:
    account = await organizations.account("dev")
    await organizations.call("TagResource", ResourceId=account, Tags=[{"Key": "a", "Value": "1"}])
    assert (await organizations.fails("DeleteOrganization"))[0] == "OrganizationNotEmptyException"
    assert (await organizations.fails("LeaveOrganization"))[0] == "MasterCannotLeaveOrganizationException"
    await organizations.call("LeaveOrganization", account=account)
    assert await organizations.fails("DescribeOrganization", account=account) == NOT_IN_USE
    assert organizations.gives.guardrails.organization_of(account) == ""
    assert await organizations.call("DeleteOrganization") == {}


async def test_members_may_not_govern(organizations: Organizations) -> None:
    account = await organizations.account("dev")
    denied = ("AccessDeniedException", "You don't have permissions to access this resource.", "")
    assert await organizations.fails("ListAccounts", account=account) == denied
    assert await organizations.fails("CreateAccount", account=account, AccountName="x", Email="x@y.zz") == denied
    assert await organizations.call("DescribeOrganization", account=account)
    await organizations.call("RegisterDelegatedAdministrator", AccountId=account, ServicePrincipal="ssm.amazonaws.com")
    assert await organizations.call("ListAccounts", account=account)
    assert (await organizations.fails("CreateAccount", account=account, AccountName="x", Email="x@y.zz"))[0] == denied[
        0
    ]
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",'
        '"Action":"organizations:CreatePolicy","Resource":"*"}]}'
    )
    await organizations.call("PutResourcePolicy", Content=policy)
    with pytest.raises(Exception, match="not a member"):
        await organizations.call("CreatePolicy", account="999999999999", Name="n")
    await organizations.fails("CreatePolicy", account=account, Name="n", Description="", Type="X", Content="{}")
    (question,) = organizations.asked
    assert question.account == ROOT_ACCOUNT and question.resource_policy is not None


async def test_a_closed_account_is_suspended(organizations: Organizations) -> None:
    account = await organizations.account("dev")
    await organizations.call("CloseAccount", AccountId=account)
    assert (await organizations.call("DescribeAccount", AccountId=account))["Account"]["Status"] == "SUSPENDED"
    assert (await organizations.fails("CloseAccount", AccountId=account))[0] == "AccountAlreadyClosedException"
    ((_, policy),) = organizations.gives.guardrails.above(account, "SERVICE_CONTROL_POLICY")[0]
    assert policy["Statement"] == {"Effect": "Deny", "Action": "*", "Resource": "*"}
    assert (await organizations.fails("CloseAccount", AccountId=ROOT_ACCOUNT))[2] == "CANNOT_CLOSE_MANAGEMENT_ACCOUNT"


async def test_delegated_administrators_are_told(organizations: Organizations) -> None:
    account = await organizations.account("dev")
    given = {"AccountId": account, "ServicePrincipal": "ssm.amazonaws.com"}
    await organizations.call("RegisterDelegatedAdministrator", **given)
    assert await organizations.fails("RegisterDelegatedAdministrator", **given) == (
        "AccountAlreadyRegisteredException",
        "The provided account is already a delegated administrator for your organization.",
        "",
    )
    (told,) = (await organizations.call("ListDelegatedAdministrators"))["DelegatedAdministrators"]
    assert (told["Id"], told["DelegationEnabledDate"]) == (account, organizations.clock.now())
    failure = await organizations.fails("RemoveAccountFromOrganization", AccountId=account)
    assert failure[2] == "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG"
    await organizations.call("DeregisterDelegatedAdministrator", **given)
    assert (await organizations.fails("ListDelegatedServicesForAccount", AccountId=account))[0] == (
        "AccountNotRegisteredException"
    )
    unknown = await organizations.fails("EnableAWSServiceAccess", ServicePrincipal="none.amazonaws.com")
    assert unknown[1] == "You specified an unrecognized service principal."
    for _ in range(2):
        await organizations.call("EnableAWSServiceAccess", ServicePrincipal="ram.amazonaws.com")
    services = (await organizations.call("ListAWSServiceAccessForOrganization"))["EnabledServicePrincipals"]
    assert [service["ServicePrincipal"] for service in services] == ["ram.amazonaws.com"]
    await organizations.call("DisableAWSServiceAccess", ServicePrincipal="ram.amazonaws.com")
    assert (await organizations.call("ListAWSServiceAccessForOrganization"))["EnabledServicePrincipals"] == []


async def test_an_invited_account_joins_when_it_accepts(organizations: Organizations) -> None:
    account = await organizations.account("dev")
    await organizations.call("RemoveAccountFromOrganization", AccountId=account)
    target = {"Id": account, "Type": "ACCOUNT"}
    made = (await organizations.call("InviteAccountToOrganization", Target=target, Notes="come"))["Handshake"]
    assert made["State"] == "OPEN"
    assert (await organizations.fails("InviteAccountToOrganization", Target=target))[0] == "DuplicateHandshakeException"
    (mine,) = (await organizations.call("ListHandshakesForAccount", account=account))["Handshakes"]
    assert mine == made
    assert (await organizations.fails("AcceptHandshake", HandshakeId=made["Id"]))[0] == "AccessDeniedException"
    done = (await organizations.call("AcceptHandshake", account=account, HandshakeId=made["Id"]))["Handshake"]
    assert done["State"] == "ACCEPTED"
    told = (await organizations.call("DescribeAccount", AccountId=account))["Account"]
    assert told["JoinedMethod"] == "INVITED"
    failure = await organizations.fails("DeclineHandshake", account=account, HandshakeId=made["Id"])
    assert failure[0] in ("InvalidHandshakeTransitionException", "HandshakeAlreadyInStateException")
    failure = await organizations.fails("InviteAccountToOrganization", Target=target)
    assert failure[2] == "ALREADY_IN_AN_ORGANIZATION"


async def test_an_invitation_expires(organizations: Organizations) -> None:
    account = await organizations.account("dev")
    await organizations.call("RemoveAccountFromOrganization", AccountId=account)
    target = {"Id": "dev@example.com", "Type": "EMAIL"}
    made = (await organizations.call("InviteAccountToOrganization", Target=target))["Handshake"]
    await organizations.clock.advance(15 * 86400.0)
    failure = await organizations.fails("AcceptHandshake", account=account, HandshakeId=made["Id"])
    assert failure[0] == "InvalidHandshakeTransitionException"
    told = (await organizations.call("DescribeHandshake", HandshakeId=made["Id"]))["Handshake"]
    assert told["State"] == "EXPIRED"


async def test_all_features_come_when_every_invited_member_agrees(bare: Organizations) -> None:
    await bare.organization(FeatureSet="CONSOLIDATED_BILLING")
    account = await bare.account("dev")
    await bare.call("RemoveAccountFromOrganization", AccountId=account)
    target = {"Id": account, "Type": "ACCOUNT"}
    invitation = (await bare.call("InviteAccountToOrganization", Target=target))["Handshake"]
    await bare.call("AcceptHandshake", account=account, HandshakeId=invitation["Id"])
    assert (await bare.fails("CreatePolicy", Name="n", Description="", Type="TAG_POLICY", Content="{}"))[0] == (
        "PolicyTypeNotAvailableForOrganizationException"
    )
    whole = (await bare.call("EnableAllFeatures"))["Handshake"]
    assert whole["State"] == "REQUESTED"
    assert (await bare.fails("AcceptHandshake", HandshakeId=whole["Id"]))[0] == "InvalidHandshakeTransitionException"
    mine = (await bare.call("ListHandshakesForAccount", account=account))["Handshakes"]
    (part,) = [one for one in mine if one["Action"] == "APPROVE_ALL_FEATURES"]
    await bare.call("AcceptHandshake", account=account, HandshakeId=part["Id"])
    await bare.call("AcceptHandshake", HandshakeId=whole["Id"])
    assert (await bare.call("DescribeOrganization"))["Organization"]["FeatureSet"] == "ALL"


async def test_everything_is_there_after_a_restart() -> None:
    clock = FakeClock()
    clients = FakeClients(clock)
    async with opened(clients, clock) as first:
        made = await first.organization()
        account = await first.account("dev")
    async with opened(clients, clock) as second:
        assert (await second.call("DescribeOrganization"))["Organization"] == made
        assert [one["Id"] for one in (await second.call("ListAccounts"))["Accounts"]] == [ROOT_ACCOUNT, account]


async def test_an_account_made_by_hand_gets_its_namespace(organizations: Organizations) -> None:
    fields = {"id": "222222222222", "name": "hand", "email": "hand@example.com"}
    await organizations.clients.put(ACCOUNTS, {"metadata": {"name": "222222222222"}, "spec": fields})
    await organizations.clock.settle()
    assert organizations.clients.find(NAMESPACES, "", "aws-222222222222") is not None


async def test_settled_it_writes_nothing(organizations: Organizations) -> None:
    await organizations.account("dev")
    await organizations.clock.settle()
    before = len(organizations.clients.acts)
    await organizations.clock.advance(86400.0)
    assert len(organizations.clients.acts) == before
