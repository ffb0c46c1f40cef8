"""An AWS service behind the front door: its operations by name, as botocore's service model spells them.

The front establishes the caller (signature, credentials), reads the request by the service's model and
asks the authorizer what an operation `asks`; then the operation is performed and its members written in
the service's protocol. Errors are core/errors classes whose `what` is AWS's own text, with an empty `why`;
`code` in details is AWS's code (NotFoundException, NoSuchEntity), `status` its HTTP status where the model
names none, `members` further members of the error's shape.
Source: botocore's service-2.json; Smithy AWS protocols.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from msgspec import Struct

from maru.contracts.aws_access import AwsCaller, Circumstances, Question
from maru.core.document import Value

Members = Value
"""The members of a structure by the names of the model. blob: bytes; timestamp: an aware datetime;

a streaming blob: AsyncIterator[bytes], or bytes; integers, strings, booleans, lists and maps as in JSON.
A member that is None or missing is not sent. An operation may also set what no model has a place for:
STATUS: an HTTP status in place of the model's (206 of a range); HEADERS: further headers, by name (of CORS);
BODY: bytes or AsyncIterator[bytes] sent as they are in place of the members (a website's page). Errors carry
further headers as `headers` in details.
"""

STATUS, HEADERS, BODY = ":status", ":headers", ":body"
NO_HEADERS: Mapping[str, str] = MappingProxyType({})

UNMODELLED = ("Options", "PostObject", "GetWebsite", "HeadWebsite")
"""Operations of S3 that its model lacks; parameters are Bucket and (where the path has one) Key alone.

Options: a CORS preflight, any caller, unsigned. PostObject: a form (multipart/form-data) posted to a bucket;
anonymous, the body streams, the form itself is signed. GetWebsite, HeadWebsite: to a host of the form
BUCKET.s3-website[.-]REGION...; anonymous. For every other operation of S3 without a signature the caller is ANONYMOUS.
"""


class AwsCall(Struct, frozen=True):
    """One request, read and authenticated. parameters: checked against the model (types, required, lengths).

    region: of the credential scope ("us-east-1" where the service is global). body: the streaming
    input, decoded from aws-chunked, its checksums verified by the end (reading raises then); None elsewhere.
    body_bytes: its length, -1 if unknown. headers: lower-case names. host, raw_target: as the client sent them.
    """

    service: str
    operation: str
    parameters: Members
    caller: AwsCaller
    region: str
    request_id: str
    circumstances: Circumstances
    body: AsyncIterator[bytes] | None = None
    body_bytes: int = -1
    headers: Mapping[str, str] = NO_HEADERS
    host: str = ""
    method: str = "POST"
    raw_target: str = "/"

    @property
    def account(self) -> str:
        """The caller's account, 12 digits; "" for an anonymous one."""
        return self.caller.account


@dataclass(frozen=True, slots=True)
class AwsOperation:
    """perform: does it and answers the output's members.

    asks: what must be allowed before, from memory and the call alone; all of it. None: the operation asks the
    authorizer itself (because what it touches shows only while it works), or AWS asks nothing (GetCallerIdentity).
    """

    perform: Callable[[AwsCall], Awaitable[Members]]
    asks: Callable[[AwsCall], Sequence[Question]] | None = None


@runtime_checkable
class Resettable(Protocol):
    """A service that can forget everything: what suites of clients ask for between two tests, and nobody else."""

    async def reset(self) -> None:
        """As if it had never been used; the administrator's key stays."""
        ...


class AwsService(Protocol):
    """One service, by botocore's name: kms, iam, sts, organizations, s3."""

    @property
    def name(self) -> str: ...

    def operations(self) -> Mapping[str, AwsOperation]:
        """Those that are done; others of the model are answered as not implemented and counted as such."""
        ...
