"""IAM and STS over a store in memory, asked as the front asks them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from maru.components.aws_iam import component
from maru.components.aws_iam.component import Gives, Needs
from maru.components.aws_iam.config import IamConfig
from maru.contracts.aws_access import AwsCaller, Circumstances, Guardrails
from maru.contracts.aws_service import AwsCall, AwsService, Members
from maru.core.identity.seal import RootKeySealer
from maru.core.identity.signing_keys import SigningKeys
from maru.core.identity.tokens import TokenIssuer
from maru.core.ids import SystemIds
from maru.core.site import Site
from tests.fakes.client import FakeClients
from tests.fakes.clock import FakeClock

ACCOUNT = "123456789012"
ISSUER = "https://kubernetes.default.svc.cluster.local"
ANY_POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'


@dataclass
class Iam:
    """The component, and the caller that calls are made as."""

    gives: Gives
    clock: FakeClock
    clients: FakeClients
    data_dir: Path
    caller: AwsCaller
    circumstances: Circumstances = field(init=False)

    def __post_init__(self) -> None:
        self.circumstances = Circumstances(self.clock.now())

    async def __call__(self, operation: str, **parameters: Any) -> Members:
        return await self.call(self.gives.iam, operation, parameters)

    async def sts(self, operation: str, **parameters: Any) -> Members:
        return await self.call(self.gives.sts, operation, parameters)

    async def call(self, service: AwsService, operation: str, parameters: Members) -> Members:
        """As the front does it: first what the operation asks, then the operation."""
        here = replace(self.circumstances, now=self.clock.now())
        call = AwsCall(service.name, operation, parameters, self.caller, "us-east-1", "request", here)
        done = service.operations()[operation]
        for question in done.asks(call) if done.asks is not None else ():
            self.gives.authorizer.require(self.caller, question, here)
        return await done.perform(call)

    def acting(self, access_key: str, token: str = "") -> Iam:
        """The same, as whoever the key is of."""
        caller = self.gives.credentials.find(access_key, token).caller
        return Iam(self.gives, self.clock, self.clients, self.data_dir, caller)

    async def user(self, name: str, policy: str = "") -> Iam:
        """The same, as a new user with an inline policy."""
        await self("CreateUser", UserName=name)
        if policy:
            await self("PutUserPolicy", UserName=name, PolicyName="p", PolicyDocument=policy)
        key = (await self("CreateAccessKey", UserName=name))["AccessKey"]
        return self.acting(key["AccessKeyId"])


@dataclass
class Bench:
    """What IAM stands on, kept over restarts of it."""

    data_dir: Path
    clients: FakeClients
    clock: FakeClock
    guardrails: Sequence[Guardrails] = ()
    keys: SigningKeys = field(default_factory=lambda: SigningKeys(ec.generate_private_key(ec.SECP256R1())))

    def needs(self) -> Needs:
        (self.data_dir / "run").mkdir(exist_ok=True)
        return Needs(
            site=Site(self.data_dir, "node"),
            clients=self.clients,
            sealer=RootKeySealer(b"k" * 32),
            tokens=TokenIssuer(self.keys, ISSUER, self.clients.store.get, self.clock, SystemIds()),
            guardrails=self.guardrails,
            clock=self.clock,
            ids=SystemIds(),
            config=IamConfig(),
        )

    def iam(self, gives: Gives) -> Iam:
        told = msgspec.json.decode((self.data_dir / "aws-credentials.json").read_bytes())
        caller = gives.credentials.find(told["accessKeyId"], "").caller
        return Iam(gives, self.clock, self.clients, self.data_dir, caller)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    clock = FakeClock()
    return Bench(tmp_path, FakeClients(clock, SystemIds()), clock)


@pytest.fixture
async def iam(bench: Bench) -> AsyncIterator[Iam]:
    async with component.open(bench.needs()) as gives:
        yield bench.iam(gives)
