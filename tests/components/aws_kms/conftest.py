"""KMS over documents in memory, asked as the front door asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from maru.components.aws_kms.component import Gives, Needs, open  # noqa: A004 - the shape of every component
from maru.components.aws_kms.config import KmsConfig
from maru.contracts.aws_access import AwsCaller, CallerKind, Circumstances
from maru.contracts.aws_service import AwsCall, Members
from maru.core.errors import MaruError
from maru.core.identity.seal import RootKeySealer
from maru.core.ids import SystemIds
from tests.components.aws_kms.authorizer import PlainAuthorizer
from tests.fakes.client import FakeClients
from tests.fakes.clock import FakeClock

ACCOUNT = "123456789012"
ROOT_KEY = b"k" * 32


def user(name: str, account: str = ACCOUNT) -> AwsCaller:
    """An IAM user."""
    return AwsCaller(CallerKind.USER, account, f"arn:aws:iam::{account}:user/{name}", f"AIDA{name.upper()}")


ALICE = user("alice")


@dataclass
class Kms:
    """`call` answers members; `fails` the code and the text."""

    gives: Gives
    clock: FakeClock
    clients: FakeClients
    authorizer: PlainAuthorizer = field(default_factory=PlainAuthorizer)

    async def call(
        self, operation: str, *, caller: AwsCaller = ALICE, region: str = "us-east-1", **parameters: object
    ) -> Members:
        circumstances = Circumstances(self.clock.now(), region)
        call = AwsCall("kms", operation, dict(parameters), caller, region, "request-1", circumstances)
        return await self.gives.kms.operations()[operation].perform(call)

    async def fails(
        self, operation: str, *, caller: AwsCaller = ALICE, region: str = "us-east-1", **parameters: object
    ) -> tuple[str, str]:
        with pytest.raises(MaruError) as failure:
            await self.call(operation, caller=caller, region=region, **parameters)
        assert failure.value.why == ""
        return failure.value.details["code"], failure.value.what

    async def key(self, **parameters: object) -> Members:
        members: Members = (await self.call("CreateKey", **parameters))["KeyMetadata"]
        return members


@asynccontextmanager
async def opened(clients: FakeClients, clock: FakeClock, config: KmsConfig | None = None) -> AsyncIterator[Kms]:
    authorizer = PlainAuthorizer()
    needs = Needs(clients, authorizer, RootKeySealer(ROOT_KEY), clock, SystemIds(), config or KmsConfig())
    async with open(needs) as gives:
        yield Kms(gives, clock, clients, authorizer)


@pytest.fixture
async def kms() -> AsyncIterator[Kms]:
    clock = FakeClock()
    async with opened(FakeClients(clock), clock) as running:
        yield running
