"""Organizations over documents in memory, asked as the front door asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from maru.components.aws_organizations.component import Gives, Needs, open  # noqa: A004 - the shape of every component
from maru.components.aws_organizations.config import OrganizationsConfig
from maru.contracts.aws_access import AwsCaller, CallerKind, Circumstances, Question
from maru.contracts.aws_service import AwsCall, Members
from maru.core.errors import MaruError
from maru.core.ids import SystemIds
from maru.kinds.aws import ROOT_ACCOUNT
from tests.fakes.client import FakeClients
from tests.fakes.clock import FakeClock

SCP = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}'


def root(account: str = ROOT_ACCOUNT) -> AwsCaller:
    """An account's root."""
    return AwsCaller(CallerKind.ROOT, account, f"arn:aws:iam::{account}:root", account)


@dataclass
class Organizations:
    """`call` answers members, `fails` the code, the text and the reason; asked: what the last call asked."""

    gives: Gives
    clock: FakeClock
    clients: FakeClients
    asked: list[Question] = field(default_factory=list)

    async def call(self, operation: str, *, account: str = ROOT_ACCOUNT, **parameters: object) -> Members:
        circumstances = Circumstances(self.clock.now())
        call = AwsCall("organizations", operation, dict(parameters), root(account), "us-east-1", "r", circumstances)
        found = self.gives.organizations.operations()[operation]
        assert found.asks is not None
        self.asked = list(found.asks(call))
        return await found.perform(call)

    async def fails(self, operation: str, *, account: str = ROOT_ACCOUNT, **parameters: object) -> tuple[str, str, str]:
        with pytest.raises(MaruError) as failure:
            await self.call(operation, account=account, **parameters)
        details = failure.value.details
        return details["code"], failure.value.what, details.get("members", {}).get("Reason", "")

    async def organization(self, **parameters: object) -> Members:
        members: Members = (await self.call("CreateOrganization", **parameters))["Organization"]
        return members

    async def root_id(self) -> str:
        name: str = (await self.call("ListRoots"))["Roots"][0]["Id"]
        return name

    async def account(self, name: str) -> str:
        made = await self.call("CreateAccount", AccountName=name, Email=f"{name}@example.com")
        account: str = made["CreateAccountStatus"]["AccountId"]
        return account

    async def unit(self, parent: str, name: str) -> str:
        made = await self.call("CreateOrganizationalUnit", ParentId=parent, Name=name)
        unit: str = made["OrganizationalUnit"]["Id"]
        return unit

    async def policy(self, name: str, content: str = SCP, kind: str = "SERVICE_CONTROL_POLICY") -> str:
        made = await self.call("CreatePolicy", Name=name, Description="", Type=kind, Content=content)
        policy: str = made["Policy"]["PolicySummary"]["Id"]
        return policy


@asynccontextmanager
async def opened(clients: FakeClients, clock: FakeClock) -> AsyncIterator[Organizations]:
    async with open(Needs(clients, clock, SystemIds(), OrganizationsConfig(role_wait_s=0))) as gives:
        yield Organizations(gives, clock, clients)


@pytest.fixture
async def bare() -> AsyncIterator[Organizations]:
    """No organization yet."""
    clock = FakeClock()
    async with opened(FakeClients(clock), clock) as running:
        yield running


@pytest.fixture
async def organizations(bare: Organizations) -> Organizations:
    """With an organization of all features."""
    await bare.organization()
    return bare
