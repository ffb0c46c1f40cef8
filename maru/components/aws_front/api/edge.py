"""One request, from its bytes to the service that does it, and the answer's bytes.

The way of a request: find the desk (target, credential scope, version or host), establish the caller,
read the members, ask the authorizer, perform, write. Source: DESIGN, walk 2; the AWS protocols.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import cast

from maru.components.aws_front.api.desks import Desk, Desks
from maru.components.aws_front.api.head import Head, read_head
from maru.components.aws_front.api.payloads import STREAMING, broken_off, open_payload, read_small
from maru.components.aws_front.api.records import Outcome, Records
from maru.components.aws_front.api.routing import Meant, Routing
from maru.components.aws_front.api.signatures import Established, Signatures, digest_of, hoisted, payload_of
from maru.components.aws_front.api.throttle import Throttle
from maru.components.aws_front.config import AwsFrontConfig
from maru.components.aws_front.errors import fault_of, named
from maru.contracts.aws_access import ANONYMOUS, AwsAuthorizer, Circumstances
from maru.contracts.aws_service import BODY, HEADERS, STATUS, AwsCall, AwsOperation, Members
from maru.core.clock import Clock
from maru.core.errors import MaruError
from maru.core.front.message import Answer, Request
from maru.core.ids import Ids
from maru.wire.aws import answers, constraints, form_body, json_body, rest
from maru.wire.aws.faults import Fault
from maru.wire.aws.partitions import OWN, partition_of, respelled
from maru.wire.aws.shapes import Shape

SERVER_ID = "bWFydQ"  # x-amz-id-2: which of S3's hosts answered; there is one

Arrived = tuple[Members, AsyncIterator[bytes] | None, int]
"""What a request brought: its members, its body where it streams, and the body's size (-1: unknown)."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the edge works with."""

    desks: Desks
    signatures: Signatures
    authorizer: AwsAuthorizer
    clock: Clock
    ids: Ids
    config: AwsFrontConfig
    records: Records


class Edge:
    """The handler of the front."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._routing = Routing(tools.desks)
        self._throttle = Throttle(tools.config, tools.clock)

    async def answer(self, request: Request) -> Answer:
        """Answer one request; every failure in the protocol of the service it was for."""
        request_id = self._tools.ids.uid()
        head = read_head(request)
        meant = Meant()
        received_at = self._tools.clock.now()
        code = ""
        try:
            answer = await self._answer(request, head, meant, request_id)
        except Fault as fault:
            code = fault.code
            answer = self._refuse(head, meant, fault, request_id, {})
        except MaruError as error:
            raised = fault_of(error)
            code = raised.code
            answer = self._refuse(head, meant, raised, request_id, error.details.get("headers", {}))
        outcome = Outcome(meant.desk.name if meant.desk else "", received_at, answer.status, code)
        self._tools.records.pour(head, meant, _address(request), outcome)
        return answer

    def bug_answer(self, request: Request) -> Answer:
        """What a client hears whose request ended in a bug: InternalFailure, in its own protocol."""
        fault = Fault("InternalFailure", "", 500)
        return self._refuse(read_head(request), Meant(), fault, self._tools.ids.uid(), {})

    async def _answer(self, request: Request, head: Head, meant: Meant, request_id: str) -> Answer:
        claim = self._tools.signatures.claim(head)
        body = await self._routing.find(request, head, claim, meant, self._tools.config.body_bytes_max)
        desk = meant.desk
        assert desk is not None
        now = self._tools.clock.now()
        signed: Established | None = None
        said = ""
        if claim is not None:
            if desk.is_s3:
                said = payload_of(head, claim)
                signed = self._tools.signatures.verify(head, claim, said, now)
                if claim.is_presigned:
                    head.headers = {**hoisted(head), **head.headers}
            else:
                body = await self._body(request, body)
                signed = self._tools.signatures.verify(head, claim, digest_of(body), now)
        elif not desk.is_s3 and not meant.is_unsigned:
            raise Fault("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
        elif desk.is_s3:
            said = head.headers.get("x-amz-content-sha256", "")
        headers = head.headers
        caller = meant.caller = signed.caller if signed is not None else ANONYMOUS
        region = (claim.region if claim is not None else "") or self._tools.config.region
        self._throttle.take(caller.account, desk.name)
        operation = _operation_of(desk, meant)
        parameters, pieces, size_bytes = await self._read(request, head, meant, (body, said, signed))
        meant.partition = OWN if desk.is_s3 else partition_of(region)
        if meant.partition != OWN:
            parameters = respelled(parameters, meant.partition, OWN)
        agent, referer = headers.get("user-agent", ""), headers.get("referer", "")
        call = AwsCall(
            desk.name, meant.operation, parameters, caller, region, request_id,
            Circumstances(now, region, _address(request), request.peer.is_secure, agent, referer),
            pieces, size_bytes, headers, head.host, head.method, head.raw_target,
        )  # fmt: skip
        if operation.asks is not None:
            for question in operation.asks(call):
                self._tools.authorizer.require(caller, question, call.circumstances)
        members = await operation.perform(call)
        if meant.partition != OWN:
            members = respelled(members, OWN, meant.partition)
        return _written(meant, members, request_id)

    async def _body(self, request: Request, body: bytes | None) -> bytes:
        if body is not None:
            return body
        try:
            return await request.body(self._tools.config.body_bytes_max)
        except MaruError as error:
            raise broken_off(error) from error

    async def _read(
        self,
        request: Request,
        head: Head,
        meant: Meant,
        payload: tuple[bytes | None, str, Established | None],
    ) -> Arrived:
        """The members, and the body where it streams."""
        body, said, signed = payload
        model = meant.model
        desk = meant.desk
        assert desk is not None
        if model is None or desk.is_s3:
            return await self._read_s3(request, head, meant, (said, signed))
        protocol = desk.model.protocol
        if protocol == "json":
            shape = model.input
            whole = await self._body(request, body)
            parameters = json_body.read(shape, json_body.decode(whole)) if shape is not None else {}
        elif protocol in ("query", "ec2"):
            parameters = form_body.read(model.input, meant.form, is_ec2=protocol == "ec2")
        else:
            whole = await self._body(request, body)
            parameters = rest.read_places(model.input, rest.Arrived(meant.path_values, head.pairs, head.headers))
            parameters |= rest.read_body(model.input, whole, is_xml=protocol == "rest-xml")
        found = constraints.broken(model.input, parameters)
        if found:
            raise Fault("ValidationException", constraints.text_of(found))
        return parameters, None, -1

    async def _read_s3(
        self, request: Request, head: Head, meant: Meant, payload: tuple[str, Established | None]
    ) -> Arrived:
        said, signed = payload
        model = meant.model
        opened = await read_small(request, head, said) if model is not None else None
        if opened is None:
            opened = open_payload(request, head, said, signed)
        if model is None:
            return dict(meant.path_values), opened.pieces, opened.size_bytes
        parameters = rest.read_places(model.input, rest.Arrived(meant.path_values, head.pairs, head.headers))
        if opened.algorithm and "ChecksumAlgorithm" in (model.input.members if model.input else {}):
            parameters.setdefault("ChecksumAlgorithm", opened.algorithm.upper())
        if rest.is_streamed(model.input):
            if opened.size_bytes < 0 and said not in STREAMING:
                raise Fault("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
            if opened.whole is not None:
                parameters[rest.payload_name(model.input)] = opened.whole
                return parameters, None, opened.size_bytes
            return parameters, opened.pieces, opened.size_bytes
        whole = opened.whole if opened.whole is not None else await self._gathered(opened.pieces)
        parameters |= rest.read_body(model.input, whole, is_xml=True)
        _require_s3(model.input, parameters)
        return parameters, None, -1

    async def _gathered(self, pieces: AsyncIterator[bytes]) -> bytes:
        parts: list[bytes] = []
        size_bytes = 0
        async for piece in pieces:
            size_bytes += len(piece)
            if size_bytes > self._tools.config.body_bytes_max:
                raise Fault("TooLarge", "Your request was too big.")
            parts.append(piece)
        return b"".join(parts)

    def _refuse(self, head: Head, meant: Meant, fault: Fault, request_id: str, headers: Mapping[str, str]) -> Answer:
        desk = meant.desk or self._routing.likeliest(head)
        if desk is None:
            text = fault.text or fault.code
            return Answer(fault.status, text.encode(), {"Content-Type": "text/plain", "x-amzn-RequestId": request_id})
        fault = named(fault, desk.model)
        if meant.partition != OWN:
            fault.text = respelled(fault.text, OWN, meant.partition)
        if desk.is_s3:
            fault.members.setdefault("HostId", SERVER_ID)
        leaving = answers.failure(desk.model, fault, request_id)
        if head.method == "HEAD" or leaving.status == 304:
            leaving.body = b""
        return Answer(leaving.status, leaving.body, {**leaving.headers, **_ids(desk, request_id), **headers})


def _operation_of(desk: Desk, meant: Meant) -> AwsOperation:
    operation = desk.operations.get(meant.operation)
    if operation is None:
        text = f"The operation {meant.operation} of {desk.name} is not implemented."
        raise Fault("NotImplemented", text, 501)
    return operation


def _require_s3(shape: object, parameters: Members) -> None:

    assert shape is None or isinstance(shape, Shape)
    if shape is not None and shape.payload and shape.payload in shape.required and shape.payload not in parameters:
        raise Fault("MissingRequestBodyError", "Request Body is empty")


def _address(request: Request) -> str:
    address = request.peer.address
    host, _, port = address.rpartition(":")
    return host.strip("[]") if port.isdigit() else "127.0.0.1"


def _ids(desk: Desk, request_id: str) -> dict[str, str]:
    if desk.is_s3:
        return {"x-amz-request-id": request_id, "x-amz-id-2": SERVER_ID}
    return {"x-amzn-RequestId": request_id}


def _written(meant: Meant, members: Members, request_id: str) -> Answer:
    desk = meant.desk
    assert desk is not None
    members = members or {}
    if meant.model is None:
        leaving = rest.Leaving(200, b"")
    else:
        leaving = answers.success(meant.model, members, request_id)
    if BODY in members:
        leaving.body = cast("bytes | AsyncIterator[bytes]", members[BODY])
    status = members.get(STATUS)
    headers = {**leaving.headers, **_ids(desk, request_id)}
    if HEADERS in members:
        headers |= members[HEADERS]
    if meant.is_head and isinstance(leaving.body, bytes):
        leaving.body = b""
    return Answer(int(status) if status else leaving.status, leaving.body, headers)
