"""Protobuf bodies of real clients, and bodies that are none."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maru.wire.k8s.check import check
from maru.wire.k8s.decode import decode
from maru.wire.k8s.errors import Malformed, UnsupportedMedia, WireError
from maru.wire.k8s.protobuf import MAGIC, TABLE_FILE, decode_envelope
from maru.wire.k8s.schema import Schema

GOLDEN = Path(__file__).resolve().parents[2] / "golden/k8s/protobuf"
BODIES = sorted(GOLDEN.glob("*.bin"))


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return MAGIC + field(1, field(1, api_version.encode()) + field(2, kind.encode())) + field(2, raw)


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_bodies_of_real_clients_are_read(path: Path, schema: Schema) -> None:
    value = decode(path.read_bytes(), "application/vnd.kubernetes.protobuf").value
    assert value == json.loads(path.with_suffix(".json").read_text())
    group, _, version = value["apiVersion"].rpartition("/")
    node = schema.type_of(group, version, value["kind"])
    assert node is not None
    assert check(node, value).value is value


def test_the_table_has_every_field_of_the_schema(schema: Schema) -> None:
    table: dict[str, list[tuple[str, str]]] = {}
    lines: list[tuple[str, str]] = []
    for line in TABLE_FILE.read_text().splitlines():
        if line.startswith("\t"):
            _, name, kind = line[1:].split("\t")
            lines.append((name, kind))
        elif not line.startswith("#"):
            lines = table.setdefault(line, [])

    def names(message: str) -> set[str]:
        return {one for name, kind in table[message] for one in ({name} if name else names(kind))}

    for definition in schema.definition_names():
        node = schema.type_named(definition)
        message = definition.removeprefix("io.k8s.")
        if (
            node.kind != "object"
            or not node.fields
            or message.startswith(("kube-aggregator.", "apimachinery.pkg.version"))
        ):
            continue
        assert set(node.fields) - {"apiVersion", "kind"} <= names(message), message


def test_there_are_recorded_bodies() -> None:
    assert len(BODIES) > 20


def pod_spec(raw: bytes) -> Any:
    return decode_envelope(envelope("v1", "Pod", field(2, raw)))["spec"]


def test_every_special_type_is_read() -> None:
    metadata = field(8, field(1, 1_700_000_000)) + field(11, field(1, b"k") + field(2, b"v"))
    container = (
        field(1, b"c")
        + field(5, b"")  # workingDir: a zero that JSON leaves out
        + field(8, field(1, field(1, b"cpu") + field(2, field(1, b"100m"))))  # resources.limits
        + field(10, field(1, field(2, field(1, b"/") + field(2, field(1, 1) + field(3, b"web")))))  # livenessProbe
        + field(11, field(1, field(2, field(2, field(2, 8080)))))
    )
    body = envelope("v1", "Pod", field(1, metadata) + field(2, field(2, container) + field(4, -1) + field(5, 0)))
    value = decode_envelope(body)
    assert value["metadata"] == {"creationTimestamp": "2023-11-14T22:13:20Z", "labels": {"k": "v"}}
    assert value["spec"]["terminationGracePeriodSeconds"] == -1
    assert value["spec"]["activeDeadlineSeconds"] == 0  # a pointer keeps its zero
    assert value["spec"]["containers"] == [
        {
            "name": "c",
            "resources": {"limits": {"cpu": "100m"}},
            "livenessProbe": {"httpGet": {"path": "/", "port": "web"}},
            "readinessProbe": {"httpGet": {"port": 8080}},
        }
    ]


def test_inlined_messages_stand_in_their_parent() -> None:
    volume = field(1, b"v") + field(2, field(19, field(1, field(1, b"cm")) + field(3, 0o644)))
    assert pod_spec(field(1, volume))["volumes"] == [{"name": "v", "configMap": {"name": "cm", "defaultMode": 420}}]


def test_micro_times_and_raw_values_are_read() -> None:
    lease = field(2, field(1, b"me") + field(3, field(1, 1) + field(2, 5000)))
    value = decode_envelope(envelope("coordination.k8s.io/v1", "Lease", lease))
    assert value["spec"] == {"holderIdentity": "me", "acquireTime": "1970-01-01T00:00:01.000005Z"}
    revision = decode_envelope(envelope("apps/v1", "ControllerRevision", field(2, field(1, b'{"a":1}')) + field(3, 4)))
    assert (revision["data"], revision["revision"]) == ({"a": 1}, 4)


def test_schemas_of_custom_resources_are_read() -> None:
    schema = (
        field(5, b"object")
        + field(29, field(1, b"a") + field(2, field(38, 1) + field(24, field(1, field(5, b"string")))))
        + field(30, field(1, 0))
        + field(8, field(1, b'{"x":true}'))
    )
    version = field(1, b"v1") + field(4, field(1, schema))
    body = envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", field(2, field(7, version)))
    shown = decode_envelope(body)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert shown == {
        "type": "object",
        "properties": {"a": {"x-kubernetes-preserve-unknown-fields": True, "items": {"type": "string"}}},
        "additionalProperties": False,
        "default": {"x": True},
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "expected prefix"),
        (MAGIC + b"\x0a\xff", "unexpected EOF"),
        (MAGIC, "Kind"),
        (envelope("v1", "Pod", b"\x0a"), "unexpected EOF"),
        (envelope("v1", "Pod", field(1, 5)), "wrong wireType"),
        (envelope("v1", "ConfigMap", field(1, field(1, b"\xff"))), "UTF-8"),
        (envelope("v1", "Pod", b"\x0b"), "illegal wireType"),
    ],
)
def test_bodies_that_do_not_parse_are_malformed(body: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        decode_envelope(body)


def test_unknown_kinds_are_unsupported_media() -> None:
    with pytest.raises(UnsupportedMedia, match="send JSON"):
        decode_envelope(envelope("example.com/v1", "CronTab", b""))


def test_nesting_is_bounded() -> None:
    raw = b""
    for _ in range(200):
        raw = field(28, raw)  # JSONSchemaProps.not
    body = envelope(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        field(2, field(7, field(4, field(1, raw)))),
    )
    with pytest.raises(Malformed, match="too deep"):
        decode_envelope(body)


@given(raw=st.binary(max_size=200), kind=st.sampled_from(["Pod", "Service", "Secret", "Event"]))
def test_arbitrary_bytes_raise_nothing_else(raw: bytes, kind: str) -> None:
    with contextlib.suppress(WireError):
        decode_envelope(envelope("v1", kind, raw))


@given(path=st.sampled_from(BODIES), at=st.integers(0, 5000), byte=st.integers(0, 255))
def test_damaged_bodies_raise_nothing_else(path: Path, at: int, byte: int) -> None:
    body = bytearray(path.read_bytes())
    body[at % len(body)] = byte
    with contextlib.suppress(WireError):
        decode_envelope(bytes(body))
