"""A front door over services of a few lines: real sockets, real signatures, real clients."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import boto3
import msgspec
import pytest
from botocore.config import Config

from maru.components.aws_front.api.desks import Desks
from maru.components.aws_front.api.edge import Edge, Tools
from maru.components.aws_front.api.records import Records
from maru.components.aws_front.api.signatures import Signatures
from maru.components.aws_front.config import AwsFrontConfig
from maru.components.aws_front.engine.models import Models
from maru.contracts.aws_access import AwsCaller, CallerKind, Credential, Question, Verdict
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.clock import SystemClock
from maru.core.errors import Denied, NotFound, Unauthenticated
from maru.core.front.listener import TcpListener
from maru.core.front.server import serve
from maru.core.identity.audit import AuditFiles, AuditLog
from maru.core.ids import SystemIds

ACCESS_KEY, SECRET, ACCOUNT = "AKIAFRONT", "front-secret", "123456789012"
CALLER = AwsCaller(CallerKind.USER, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ann", "AIDAANN", ACCESS_KEY)


class OneKey:
    """Credentials and policies of one user, who may do all but what `denied` names."""

    def __init__(self) -> None:
        self.denied: set[str] = set()

    def find(self, access_key: str, token: str) -> Credential:
        if access_key != ACCESS_KEY or token:
            raise Unauthenticated(what="invalid", why="", code="InvalidClientTokenId", status=403)
        return Credential(SECRET, CALLER)

    def used(self, caller: AwsCaller, service: str, region: str, at: datetime) -> None:
        return None

    def decide(self, caller: AwsCaller, question: Question, circumstances: object) -> Verdict:
        return Verdict(question.action not in self.denied, "", "")

    def require(self, caller: AwsCaller, question: Question, circumstances: object) -> None:
        if question.action in self.denied:
            raise Denied(what=f"not authorized to perform: {question.action}", why="", code="AccessDenied", status=403)


@dataclass
class Users:
    """iam: a user is there once it was asked for `late` times; calls: all that came."""

    late: int = 0
    calls: list[AwsCall] = field(default_factory=list)
    name: str = "iam"

    def operations(self) -> dict[str, AwsOperation]:
        asks = lambda call: [Question(f"iam:{call.operation}")]  # noqa: E731 - one question for both
        return {"GetUser": AwsOperation(self._get, asks), "CreateUser": AwsOperation(self._create, asks)}

    async def _get(self, call: AwsCall) -> Members:
        self.calls.append(call)
        if len(self.calls) <= self.late:
            raise NotFound(what="The user with name bob cannot be found.", why="", code="NoSuchEntity", status=404)
        return {"User": _user(call.parameters["UserName"])}

    async def _create(self, call: AwsCall) -> Members:
        self.calls.append(call)
        return {"User": _user(call.parameters["UserName"])}


@dataclass
class Objects:
    """s3: tells which bucket and key a request was for."""

    seen: list[tuple[str, str]] = field(default_factory=list)
    name: str = "s3"

    def operations(self) -> dict[str, AwsOperation]:
        return {"PutObject": AwsOperation(self._put), "HeadBucket": AwsOperation(self._head)}

    async def _put(self, call: AwsCall) -> Members:
        self.seen.append((call.parameters["Bucket"], call.parameters["Key"]))
        return {"ETag": '"e"'}

    async def _head(self, call: AwsCall) -> Members:
        self.seen.append((call.parameters["Bucket"], ""))
        return {"BucketRegion": call.region}


def _user(name: str) -> Members:
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    made = datetime(2026, 1, 2, tzinfo=UTC)
    return {"Path": "/", "UserName": name, "UserId": "AIDABOB", "Arn": arn, "CreateDate": made}


@dataclass
class Door:
    """A front that is open. audit_log: flushed by `records`."""

    port: int
    access: OneKey
    audit: AuditLog
    folder: Path

    def client(self, service: str, host: str = "", region: str = "us-east-1", **options: object):
        """A boto3 client that tries once; `host`: what it believes to talk to, with the front as its proxy."""
        here = f"http://127.0.0.1:{self.port}"
        if host:
            options["proxies"] = {"http": here}
        return boto3.client(
            service,
            endpoint_url=f"http://{host}" if host else here,
            region_name=region,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET,
            config=Config(retries={"total_max_attempts": 1}, **options),
        )

    async def records(self) -> Sequence[dict[str, object]]:
        """What the audit log holds."""
        await self.audit.flush()
        return [msgspec.json.decode(line) for line in (self.folder / "audit.log").read_bytes().splitlines()]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Service models, stripped once."""
    return Models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def opened(models: Models, tmp_path: Path):
    """Opens a front: `async with opened(services) as door`."""

    @asynccontextmanager
    async def opened(
        *services: object, config: AwsFrontConfig | None = None, clock: object = None, tls: object = None, timeless=()
    ):
        access, clock = OneKey(), clock or SystemClock()
        audit = AuditLog(AuditFiles(tmp_path, 1_000_000, 2), "all", clock, SystemIds())
        desks = Desks(services, models)
        await desks.open()
        config = config or AwsFrontConfig()
        signatures = Signatures(access, config.clock_skew_s, timeless)
        edge = Edge(Tools(desks, signatures, access, clock, SystemIds(), config, Records(audit)))
        listener = TcpListener("127.0.0.1", 0, tls, takes_plain=tls is not None)
        async with serve([listener], edge.answer, bug_answer=edge.bug_answer) as front:
            yield Door(front.ports[0], access, audit, tmp_path)

    return opened


async def told(call, /, **parameters):
    """A call of a client that blocks, off the loop."""
    return await asyncio.to_thread(call, **parameters)
