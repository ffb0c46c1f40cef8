"""XML answers and requests of the query, ec2 and rest-xml protocols, by shape.

Written as text piece by piece: a tree of elements costs ten times as much. Read with the standard
library's parser, document types and entities refused.
Source: Smithy specification, "XML bindings", awsQuery, ec2Query, restXml.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, ParseError, XMLParser

from maru.wire.aws.faults import Fault
from maru.wire.aws.form_body import scalar
from maru.wire.aws.shapes import Member, Shape
from maru.wire.aws.stamps import ISO, written

_SPECIAL = re.compile(r"[&<>\"\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#xD;"}
MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def escaped(text: str) -> str:
    """Text as it may stand in an element; what XML 1.0 cannot hold is written as a reference, as S3 does."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0]) or f"&#x{ord(found[0]):x};", text)


class XmlWriter:
    """has_millis: timestamps to the thousandth (rest-xml of S3, ec2). is_ec2: names and lists as ec2Query has them."""

    def __init__(self, *, is_ec2: bool = False, has_millis: bool = False) -> None:
        self._is_ec2 = is_ec2
        self._has_millis = has_millis
        self._parts: list[str] = []

    def text(self) -> str:
        """All that was written."""
        return "".join(self._parts)

    def raw(self, text: str) -> None:
        """Text that is XML already."""
        self._parts.append(text)

    def members(self, shape: Shape, value: Mapping[str, Any]) -> None:
        """The members of a structure that stand in the body, in the model's order."""
        for name, member in shape.members.items():
            if member.location or member.is_attribute:
                continue
            each = value.get(name)
            if each is not None:
                self.member(member, each)

    def member(self, member: Member, value: Any, name: str = "") -> None:
        """One member under its name (or `name`)."""
        shape = member.shape
        name = name or member.wire_name
        if shape.kind == "list":
            self._list(member, shape, value, name)
        elif shape.kind == "map":
            self._map(member, shape, value, name)
        elif shape.kind == "structure":
            self.structure(shape, value, name, member.namespace)
        else:
            text = self._scalar(member, shape, value)
            self._parts.append(f"<{name}>{text}</{name}>" if text or shape.kind == "string" else f"<{name}/>")

    def structure(self, shape: Shape, value: Mapping[str, Any], name: str, namespace: Mapping[str, str] | None) -> None:
        """An element with the structure's members; attributes and namespace on it."""
        head = name
        namespace = namespace or shape.namespace
        if namespace:
            prefix = namespace.get("prefix")
            head += f' xmlns{":" + prefix if prefix else ""}="{namespace["uri"]}"'
        for key, member in shape.members.items():
            if member.is_attribute and value.get(key) is not None:
                head += f' {member.wire_name}="{escaped(str(value[key]))}"'
        self._parts.append(f"<{head}>")
        self.members(shape, value)
        self._parts.append(f"</{name}>")

    def _list(self, member: Member, shape: Shape, value: Any, name: str) -> None:
        item = shape.item
        assert item is not None
        if shape.is_flattened or member.is_flattened:
            for each in value:
                self.member(item, each, item.wire_name if item.has_own_name and not member.has_own_name else name)
            return
        inner = item.wire_name if item.has_own_name else ("item" if self._is_ec2 else "member")
        if not value:
            self._parts.append(f"<{name}/>")
            return
        self._parts.append(f"<{name}>")
        for each in value:
            self.member(item, each, inner)
        self._parts.append(f"</{name}>")

    def _map(self, member: Member, shape: Shape, value: Mapping[str, Any], name: str) -> None:
        assert shape.key is not None and shape.value is not None
        is_flat = shape.is_flattened or member.is_flattened
        entry = name if is_flat else "entry"
        if not is_flat:
            self._parts.append(f"<{name}>")
        for key, each in value.items():
            self._parts.append(f"<{entry}>")
            self.member(shape.key, key)
            self.member(shape.value, each)
            self._parts.append(f"</{entry}>")
        if not is_flat:
            self._parts.append(f"</{name}>")

    def _scalar(self, member: Member, shape: Shape, value: Any) -> str:
        kind = shape.kind
        if kind == "string":
            return escaped(value if isinstance(value, str) else str(value))
        if kind == "boolean":
            return "true" if value else "false"
        if kind == "blob":
            return base64.b64encode(value).decode()
        if kind == "timestamp":
            form = member.timestamp_format or shape.timestamp_format or ISO
            return written(value, form, has_millis=self._has_millis)
        return str(value)


def parsed(body: bytes) -> Element:
    """The document's root; names lose their namespaces. Raises Fault MalformedXML."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise _malformed()
    parser = XMLParser()  # noqa: S314 - document types and entities are refused above
    try:
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, ValueError) as error:
        raise _malformed() from error
    return root


def local(tag: str) -> str:
    """An element's name without its namespace."""
    return tag.rpartition("}")[2]


def read(shape: Shape, element: Element) -> dict[str, Any]:
    """The members of a structure from its element; unknown elements are passed over. Raises Fault MalformedXML."""
    children: dict[str, list[Element]] = {}
    for child in element:
        children.setdefault(local(child.tag), []).append(child)
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        if member.location:
            continue
        if member.is_attribute:
            value = element.get(f"{{{_XSI}}}{member.wire_name.rpartition(':')[2]}") or element.get(member.wire_name)
            if value is not None:
                found[name] = value
            continue
        inner = member.shape
        if inner.kind == "list" and (inner.is_flattened or member.is_flattened):
            item = inner.item
            assert item is not None
            wire = item.wire_name if item.has_own_name and not member.has_own_name else member.wire_name
            if wire in children:
                found[name] = [_read_value(item, each) for each in children[wire]]
        elif member.wire_name in children:
            found[name] = _read_value(member, children[member.wire_name][0])
    return found


def _read_value(member: Member, element: Element) -> Any:
    shape = member.shape
    if shape.kind == "structure":
        return read(shape, element)
    if shape.kind == "list":
        assert shape.item is not None
        return [_read_value(shape.item, each) for each in element]
    if shape.kind == "map":
        assert shape.key is not None and shape.value is not None
        pairs = [{local(each.tag): each for each in entry} for entry in element]
        key, value = shape.key.wire_name, shape.value
        try:
            return {pair[key].text or "": _read_value(value, pair[value.wire_name]) for pair in pairs}
        except KeyError as error:
            raise _malformed() from error
    text = element.text or ""
    if shape.kind == "string":
        return text
    if not text.strip():
        raise _malformed()
    try:
        return base64.b64decode(text) if shape.kind == "blob" else scalar(shape.kind, text.strip())
    except (Fault, binascii.Error) as error:
        raise _malformed() from error


def _malformed() -> Fault:
    return Fault("MalformedXML", MALFORMED)
