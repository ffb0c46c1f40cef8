"""The query protocols' requests: Action=X&A.member.1.B=c, read by the input shape.

awsQuery lists are `Name.member.N` (flattened: `Name.N`), maps `Name.entry.N.key`; ec2Query lists are
always flat and names begin with a capital. Gaps in the numbers are closed up.
Source: Smithy specification, awsQuery and ec2Query; AWS Signature and common parameters.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from maru.wire.aws.faults import Fault
from maru.wire.aws.shapes import Member, Shape
from maru.wire.aws.stamps import parse

FIELDS_MAX = 100_000
DEPTH_MAX = 30

Tree = dict[str, Any]
"""A form's fields by the parts of their dotted names; a leaf's text stands under "" of its node."""


def fields(body: bytes | str) -> dict[str, str]:
    """The form's fields; of a repeated name the last holds. Raises Fault for too many."""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    parts = text.split("&")
    if len(parts) > FIELDS_MAX:
        raise Fault("MalformedQueryString", "The query string contains too many parameters.")
    found: dict[str, str] = {}
    for part in parts:
        if part:
            name, _, value = part.partition("=")
            found[_unquoted(name)] = _unquoted(value)
    return found


def _unquoted(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


def read(shape: Shape | None, form: Mapping[str, str], *, is_ec2: bool = False) -> dict[str, Any]:
    """The members of the input. Raises Fault MalformedInput for a value of the wrong type."""
    if shape is None:
        return {}
    tree: Tree = {}
    for name, value in form.items():
        if name in ("Action", "Version"):
            continue
        node = tree
        parts = name.split(".")
        if len(parts) > DEPTH_MAX:
            raise Fault("MalformedQueryString", "The query string is nested too deeply.")
        for part in parts:
            node = node.setdefault(part, {})
        node[""] = value
    return _Reader(is_ec2).structure(shape, tree)


class _Reader:
    def __init__(self, is_ec2: bool) -> None:
        self._is_ec2 = is_ec2

    def structure(self, shape: Shape, tree: Tree) -> dict[str, Any]:
        found = {}
        for name, member in shape.members.items():
            node = self._node(member, tree)
            if node is not None:
                value = self._value(member, node)
                if value is not None:
                    found[name] = value
        return found

    def _node(self, member: Member, tree: Tree) -> Any:
        if self._is_ec2:
            name = member.query_name or (member.wire_name[:1].upper() + member.wire_name[1:])
            return tree.get(name)
        name = member.wire_name
        shape = member.shape
        if shape.kind == "list" and (shape.is_flattened or member.is_flattened):
            item = shape.item
            if item is not None and item.has_own_name and item.wire_name in tree:
                return tree[item.wire_name]
        return tree.get(name)

    def _value(self, member: Member, node: Tree) -> Any:
        shape = member.shape
        if shape.kind == "structure":
            return self.structure(shape, node)
        if shape.kind == "list":
            return self._list(shape, member, node)
        if shape.kind == "map":
            return self._map(shape, member, node)
        text = node.get("")
        return None if text is None else scalar(shape.kind, text)

    def _list(self, shape: Shape, member: Member, node: Tree) -> list[Any] | None:
        item = shape.item
        assert item is not None
        if not (self._is_ec2 or shape.is_flattened or member.is_flattened):
            inner = node.get(item.wire_name if item.has_own_name else "member")
            if inner is None:
                return [] if node.get("") == "" else None
            node = inner
        return [self._value(item, node[number]) for number in _numbers(node)]

    def _map(self, shape: Shape, member: Member, node: Tree) -> dict[str, Any] | None:
        assert shape.key is not None and shape.value is not None
        if not (shape.is_flattened or member.is_flattened):
            node = node.get("entry", {})
        key, value = (each.wire_name if each.has_own_name else each.name for each in (shape.key, shape.value))
        return {
            str(node[number].get(key, {}).get("", "")): self._value(shape.value, node[number].get(value, {"": ""}))
            for number in _numbers(node)
        }


def _numbers(node: Tree) -> list[str]:
    return sorted((key for key in node if key.isdigit() and len(key) <= 9), key=int)


def scalar(kind: str, text: str) -> Any:
    """A scalar from its text. Raises Fault MalformedInput."""
    if kind == "string":
        return text
    try:
        if kind == "boolean":
            return {"true": True, "false": False}[text.strip().lower()]
        if kind in ("float", "double"):
            return float(text)
        if kind == "blob":
            return base64.b64decode(text, validate=True)
        if kind == "timestamp":
            return parse(text)
        number = int(text)
    except (KeyError, ValueError, binascii.Error, Fault) as error:
        raise Fault("MalformedInput", f"Invalid value for a {kind}: '{text}'") from error
    bits = 63 if kind == "long" else 31
    if not -(1 << bits) <= number < 1 << bits:
        raise Fault("MalformedInput", f"Invalid value for a {kind}: '{text}'")
    return number
