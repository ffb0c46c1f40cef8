"""The REST protocols' bindings: members in the path, the query, headers and the body, both ways.

Source: Smithy specification, "HTTP binding traits", restJson1 and restXml; S3 API reference for
the quirk that an answer's root is named after its shape.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from maru.wire.aws import json_body, xml_body
from maru.wire.aws.faults import Fault
from maru.wire.aws.form_body import scalar
from maru.wire.aws.shapes import Member, OperationModel, Shape
from maru.wire.aws.stamps import HTTP, ISO, parse, written

S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True, slots=True)
class Arrived:
    """What of a request members are read from. query: pairs in order, headers: lower case, path: decoded values."""

    path: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]


@dataclass(slots=True)
class Leaving:
    """A written answer."""

    status: int
    body: bytes | AsyncIterator[bytes]
    headers: dict[str, str] = field(default_factory=dict)


def read_places(shape: Shape | None, arrived: Arrived) -> dict[str, Any]:
    """The members that stand outside of the body. Raises Fault."""
    found: dict[str, Any] = {}
    if shape is None:
        return found
    queried: dict[str, list[str]] = {}
    for name, value in arrived.query:
        queried.setdefault(name, []).append(value)
    for name, member in shape.members.items():
        place = member.location
        if place == "uri":
            if member.wire_name in arrived.path:
                found[name] = _scalar(member, arrived.path[member.wire_name], ISO)
        elif place == "querystring":
            value = _read_query(member, queried)
            if value is not None:
                found[name] = value
        elif place == "header":
            text = arrived.headers.get(member.wire_name.lower())
            if text is not None and (text or member.shape.kind == "string"):
                found[name] = _read_header(member, text)
        elif place == "headers":
            start = member.wire_name.lower()
            found[name] = {key[len(start) :]: text for key, text in arrived.headers.items() if key.startswith(start)}
    return found


def _read_query(member: Member, queried: Mapping[str, list[str]]) -> Any:
    shape = member.shape
    if shape.kind == "map":
        return {key: values[0] for key, values in queried.items()}
    values = queried.get(member.wire_name)
    if values is None:
        return None
    if shape.kind == "list":
        assert shape.item is not None
        return [_scalar(shape.item, value, ISO) for value in values]
    if not values[0] and shape.kind != "string":
        return None
    return _scalar(member, values[0], ISO)


def _read_header(member: Member, text: str) -> Any:
    shape = member.shape
    if shape.kind == "list":
        assert shape.item is not None
        item = shape.item
        if item.shape.kind == "timestamp":
            return [_scalar(item, text, HTTP)]
        return [_scalar(item, part.strip().strip('"'), HTTP) for part in text.split(",") if part.strip()]
    return _scalar(member, text, HTTP)


def _scalar(member: Member, text: str, _form: str) -> Any:
    kind = member.shape.kind
    if kind == "timestamp":
        try:
            return parse(text)
        except Fault:
            if member.location == "header":
                return None  # RFC 9110, 13.1.3: a condition with a date that is none is not there
            raise
    try:
        return scalar(kind, text)
    except Fault as fault:
        raise Fault(
            "InvalidArgument",
            f"Provided {member.wire_name} not an integer or within integer range"
            if kind in ("integer", "long")
            else f"Provided argument for {member.wire_name} is not a valid {kind}",
            members={"ArgumentName": member.wire_name, "ArgumentValue": text},
        ) from fault


def payload_of(shape: Shape | None) -> Member | None:
    """The member that is the whole body, if one is."""
    return shape.members[shape.payload] if shape is not None and shape.payload else None


def payload_name(shape: Shape | None) -> str:
    """The name of the member that is the whole body."""
    return shape.payload if shape is not None and shape.payload else ""


def is_streamed(shape: Shape | None) -> bool:
    """Whether the body is a stream of bytes."""
    member = payload_of(shape)
    return member is not None and member.shape.kind == "blob" and (member.is_streaming or member.shape.is_streaming)


def read_body(shape: Shape | None, body: bytes, *, is_xml: bool) -> dict[str, Any]:
    """The members in a body that is no stream. Raises Fault."""
    if shape is None:
        return {}
    member = payload_of(shape)
    if member is None:
        inside = any(not each.location for each in shape.members.values())
        if not inside or not body:
            return {}
        if is_xml:
            return xml_body.read(shape, xml_body.parsed(body))
        read: dict[str, Any] = json_body.read(shape, json_body.decode(body))
        return read
    if not body:
        return {}
    kind = member.shape.kind
    if kind == "blob":
        return {member.name: body}
    if kind == "string":
        return {member.name: body.decode("utf-8", "replace")}
    if is_xml:
        root = xml_body.parsed(body)
        if xml_body.local(root.tag) != member.wire_name and member.has_own_name:
            raise Fault("MalformedXML", xml_body.MALFORMED)
        return {member.name: xml_body.read(member.shape, root)}
    return {member.name: json_body.read(member.shape, json_body.decode(body))}


def write(operation: OperationModel, members: Mapping[str, Any]) -> Leaving:
    """The answer of a rest-json or rest-xml operation."""
    shape = operation.output
    leaving = Leaving(operation.status, b"")
    if shape is None:
        return leaving
    for name, member in shape.members.items():
        value = members.get(name)
        if value is None or not member.location:
            continue
        if member.location == "statusCode":
            leaving.status = int(value)
        elif member.location == "headers":
            leaving.headers |= {f"{member.wire_name}{key}": str(text) for key, text in value.items()}
        else:
            leaving.headers[member.wire_name] = _header(member, value)
    _write_body(operation, shape, members, leaving)
    return leaving


def _header(member: Member, value: Any) -> str:
    shape = member.shape
    if shape.kind == "timestamp":
        return written(value, member.timestamp_format or shape.timestamp_format or HTTP)
    if shape.kind == "boolean":
        return "true" if value else "false"
    if shape.kind == "list":
        return ",".join(str(each) for each in value)
    if shape.kind == "blob":
        return base64.b64encode(value).decode()
    return str(value)


def _write_body(operation: OperationModel, shape: Shape, members: Mapping[str, Any], leaving: Leaving) -> None:
    is_xml = operation.service.protocol == "rest-xml"
    member = payload_of(shape)
    if member is None:
        if not is_xml:
            leaving.body = json_body.encode(shape, members)
            leaving.headers.setdefault("Content-Type", "application/json")
        elif any(not each.location for each in shape.members.values()):
            _write_xml(operation, shape, members, shape.wire_name or shape.name, leaving)
        return
    value = members.get(member.name)
    if value is None:
        return
    kind = member.shape.kind
    if kind == "blob":
        leaving.body = value
    elif kind == "string":
        leaving.body = str(value).encode()
    elif not is_xml:
        leaving.body = msgspec.json.encode(json_body.write(member.shape, value))
        leaving.headers.setdefault("Content-Type", "application/json")
    else:
        _write_xml(operation, member.shape, value, member.wire_name, leaving)


def _write_xml(
    operation: OperationModel, shape: Shape, members: Mapping[str, Any], name: str, leaving: Leaving
) -> None:
    writer = xml_body.XmlWriter(has_millis=True)
    writer.raw(XML_HEAD)
    namespace = operation.service.namespace or (S3_NAMESPACE if operation.service.name == "s3" else "")
    writer.structure(shape, members, name, {"uri": namespace} if namespace else None)
    leaving.body = writer.text().encode()
    leaving.headers.setdefault("Content-Type", "application/xml")
