"""S3 in a folder of the test: the real index and files, documents in memory, a small authorizer."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from maru.components.aws_s3 import component
from maru.components.aws_s3.config import AwsS3Config
from maru.contracts.aws_access import ANONYMOUS, AwsCaller, CallerKind, Circumstances, Credential, Question, Verdict
from maru.contracts.aws_keys import DataKey
from maru.contracts.aws_service import AwsCall, AwsService
from maru.core.clock import SystemClock
from maru.core.errors import Denied, MaruError, Unauthenticated
from maru.core.identity.seal import RootKeySealer
from maru.core.ids import SystemIds
from maru.core.site import Site
from tests.fakes.client import FakeClients
from tests.fakes.clock import FakeClock

METHODS = {"Options": "OPTIONS", "PutObject": "PUT", "PostObject": "POST", "HeadWebsite": "HEAD"}
ACCOUNT, OTHER = "123456789012", "210987654321"


def caller(account: str = ACCOUNT, name: str = "ann") -> AwsCaller:
    return AwsCaller(CallerKind.USER, account, f"arn:aws:iam::{account}:user/{name}", "AIDAEXAMPLE", "AKIAEXAMPLE")


class SmallAuthorizer:
    """Within an account all is allowed that no policy denies; from outside only what a policy allows."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.denied: set[str] = set()

    def decide(self, who: AwsCaller, question: Question, circumstances: Circumstances) -> Verdict:
        self.asked.append(question)
        allowed = who.account == question.account and question.action not in self.denied
        for statement in (question.resource_policy or {}).get("Statement", ()):
            if not self._fits(statement, who, question):
                continue
            if statement["Effect"] == "Deny":
                return Verdict(False, "explicitDeny", "a policy denies it")
            allowed = True
        return Verdict(allowed, "allowed" if allowed else "implicitDeny", "")

    def require(self, who: AwsCaller, question: Question, circumstances: Circumstances) -> None:
        if not self.decide(who, question, circumstances).allowed:
            text = f"User: {who.arn} is not authorized to perform: {question.action} on resource: {question.resource}"
            raise Denied(what=text, why="", code="AccessDeniedException")

    def _fits(self, statement: dict[str, Any], who: AwsCaller, question: Question) -> bool:
        actions, resources = (
            [statement[name]] if isinstance(statement[name], str) else statement[name]
            for name in ("Action", "Resource")
        )
        principal = statement["Principal"]
        names = [principal] if isinstance(principal, str) else [principal.get("AWS")]
        known = {"*", who.arn, f"arn:aws:iam::{who.account}:root"}
        return (
            bool(known & set(names))
            and any(fnmatchcase(question.action, action) for action in actions)
            and any(fnmatchcase(question.resource, resource) for resource in resources)
        )


class SmallCredentials:
    """One access key."""

    def find(self, access_key: str, token: str) -> Credential:
        if access_key != "AKIAEXAMPLE":
            raise Unauthenticated(what="no such key", why="", code="InvalidClientTokenId")
        return Credential("secret", caller())

    def used(self, caller: AwsCaller, service: str, region: str, at: datetime) -> None:
        return None


class SmallKeys:
    """Data keys that are sealed by being reversed. contexts: of all calls."""

    def __init__(self) -> None:
        self.contexts: list[dict[str, str]] = []
        self.broken: MaruError | None = None

    async def generate_data_key(self, who: AwsCaller, circumstances: Circumstances, key: str, context: Any) -> DataKey:
        self.contexts.append(dict(context))
        if self.broken is not None:
            raise self.broken
        plain = bytes(range(len(self.contexts), len(self.contexts) + 32))
        return DataKey(plain, plain[::-1], f"arn:aws:kms:us-east-1:{who.account}:key/{key.replace('/', '-')}")

    async def decrypt(self, who: AwsCaller, circumstances: Circumstances, sealed: bytes, context: Any) -> bytes:
        self.contexts.append(dict(context))
        if self.broken is not None:
            raise self.broken
        return sealed[::-1]


@dataclass
class World:
    """A running service and a caller."""

    service: AwsService
    clock: SystemClock
    folder: Path
    authorizer: SmallAuthorizer
    keys: SmallKeys
    clients: FakeClients
    who: AwsCaller = field(default_factory=caller)
    region: str = "us-east-1"
    _numbers: Any = field(default_factory=itertools.count)

    def acting_as(self, who: AwsCaller) -> World:
        return replace(self, who=who)

    @property
    def anonymous(self) -> World:
        return self.acting_as(ANONYMOUS)

    async def __call__(self, operation: str, body: bytes | None = None, **parameters: Any) -> dict[str, Any]:
        """The members of the answer; a Body is read."""
        answer = await self.begin(operation, body, **parameters)
        if "Body" in answer and not isinstance(answer["Body"], bytes):
            answer["Body"] = b"".join([piece async for piece in answer["Body"]])
        return {name: value for name, value in answer.items() if value is not None}

    async def begin(self, operation: str, body: bytes | None = None, **parameters: Any) -> dict[str, Any]:
        """The members of the answer, a Body unread."""
        headers = parameters.pop("headers", {})
        call = AwsCall(
            "s3",
            operation,
            parameters,
            self.who,
            parameters.pop("region", self.region),
            "REQUEST",
            Circumstances(self.clock.now()),
            body=pieces_of(body) if body is not None else None,
            body_bytes=len(body) if body is not None else -1,
            headers=headers,
            method=METHODS.get(operation, "GET"),
        )
        return await self.service.operations()[operation].perform(call)

    async def refused(self, operation: str, body: bytes | None = None, **parameters: Any) -> str:
        """The code of the refusal."""
        with pytest.raises(MaruError) as caught:
            await self(operation, body, **parameters)
        return str(caught.value.details["code"])

    async def bucket(self, **parameters: Any) -> str:
        name = f"bucket-{next(self._numbers)}"
        await self("CreateBucket", Bucket=name, **parameters)
        return name

    async def open_bucket(self, **parameters: Any) -> str:
        """A bucket with ACLs and without a public access block."""
        name = await self.bucket(ObjectOwnership="ObjectWriter", **parameters)
        await self("DeletePublicAccessBlock", Bucket=name)
        return name

    async def put(self, bucket: str, key: str, content: bytes = b"content", **parameters: Any) -> dict[str, Any]:
        return await self("PutObject", content, Bucket=bucket, Key=key, **parameters)


async def pieces_of(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]


class TurnedClock(FakeClock):
    """Stands still but for what a test turns; starts now."""

    def __init__(self) -> None:
        super().__init__(SystemClock().now())


def needs(folder: Path, clients: FakeClients, clock: Any, config: AwsS3Config | None = None) -> component.Needs:
    """What the component asks for, in `folder`."""
    return component.Needs(
        site=Site(folder, "node"),
        clients=clients,
        sealer=RootKeySealer(b"k" * 32),
        authorizer=SmallAuthorizer(),
        credentials=SmallCredentials(),
        keys=(SmallKeys(),),
        clock=clock,
        ids=SystemIds(),
        config=config or AwsS3Config(),
    )


@pytest.fixture
async def s3(tmp_path: Path) -> AsyncIterator[World]:
    clock = TurnedClock()
    clients = FakeClients(clock)
    wants = needs(tmp_path, clients, clock)
    async with component.open(wants) as gives:
        yield World(gives.s3, clock, tmp_path / "aws_s3", wants.authorizer, wants.keys[0], clients)
