"""Bodies are read, checked and pruned with the real decoder's words."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maru.wire.k8s.check import cannot_be_handled, check, prune
from maru.wire.k8s.decode import decode
from maru.wire.k8s.errors import Malformed, StrictDecoding, UnsupportedMedia, WireError
from maru.wire.k8s.schema import Schema, TypeNode
from maru.wire.k8s.structural import from_structural_schema, without_schema


@pytest.fixture
def deployments(schema: Schema) -> TypeNode:
    node = schema.type_of("apps", "v1", "Deployment")
    assert node is not None
    return node


def with_container(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", **fields}]}}}}


@pytest.mark.parametrize("kind", ["", "application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_read(kind: str) -> None:
    assert decode(b'{"a":[1,2.5,null,true,"x"]}', kind).value == {"a": [1, 2.5, None, True, "x"]}


def test_yaml_is_read_as_json_has_it() -> None:
    decoded = decode(b"a: 1\n8080: x\ntrue: y\nd: 2001-01-01\ns: 'no'\n", "application/yaml")
    assert decoded.value == {"a": 1, "8080": "x", "true": "y", "d": "2001-01-01", "s": "no"}
    assert decode(b'{"a":1}', "application/apply-patch+yaml").value == {"a": 1}
    assert decode(b"{a: 1}", "application/apply-patch+yaml").value == {"a": 1}


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"", "", "unexpected end of JSON input"),
        (b'{"a":', "", "unexpected end of JSON input"),
        (b"{a}", "", "invalid character"),
        (b'{"a":1} x', "", "after top-level value"),
        (b"\xff", "", "invalid character"),
        (b'"\xff"', "", "utf-8"),
        (b"[" * 500 + b"]" * 500, "", "too deep"),
        (b"[" * 100_000, "", "too deep"),
        (b"a: [", "application/yaml", "error converting YAML to JSON: yaml:"),
        (b"a: 1\na: 2", "application/yaml", "duplicate"),
        (b"a: .inf", "application/yaml", "unsupported value"),
        (b"\xff\xfe", "application/yaml", "yaml"),
        (b"? [a]\n: b", "application/yaml", "yaml|key"),
        (b"[" * 1000, "application/yaml", "yaml"),
        (b"nope", "application/vnd.kubernetes.protobuf", "expected prefix"),
    ],
)
def test_unreadable_bodies_are_malformed(body: bytes, kind: str, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        decode(body, kind)


def test_yaml_bombs_are_refused() -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for name, below in zip("bcdefgh", "abcdefg", strict=True):
        lines.append(f"{name}: &{name} [{','.join([f'*{below}'] * 9)}]")
    with pytest.raises(Malformed):
        decode("\n".join(lines).encode(), "application/yaml")


def test_other_media_are_unsupported() -> None:
    with pytest.raises(UnsupportedMedia, match="accepted media types include"):
        decode(b"<a/>", "text/xml")


@pytest.mark.parametrize(
    ("body", "duplicates"),
    [
        (b'{"a":1,"b":2}', ()),
        (b'{"a":1,"a":2}', ('duplicate field "a"',)),
        (b'{ "a" : {"b": 1, "b": 1}, "c": [{"d": 1, "d": 2}] }', ('duplicate field "a.b"', 'duplicate field "c[0].d"')),
        (b'{"a": "quoted \\": here", "b": {}}', ()),
        (b'{"a":"\\u003c","a":"b"}', ('duplicate field "a"',)),
    ],
)
def test_duplicate_fields_are_named(body: bytes, duplicates: tuple[str, ...]) -> None:
    assert decode(body).duplicates == duplicates


def test_strict_decoding_names_every_field() -> None:
    error = StrictDecoding(['unknown field "spec.foo"', 'duplicate field "spec.replicas"'])
    assert error.message == 'strict decoding error: unknown field "spec.foo", duplicate field "spec.replicas"'


@given(st.binary(max_size=100))
def test_arbitrary_bodies_raise_nothing_else(body: bytes) -> None:
    for kind in ("", "application/yaml", "application/vnd.kubernetes.protobuf"):
        with contextlib.suppress(WireError):
            decode(body, kind)


def test_clean_values_are_handed_back_as_they_are(deployments: TypeNode) -> None:
    value = with_container(resources={"limits": {"cpu": "100m", "memory": "5"}}, ports=[{"containerPort": 80}])
    assert check(deployments, value).value is value


def test_unknown_fields_are_pruned_and_named(deployments: TypeNode) -> None:
    value = with_container(colour="red") | {"spex": {}}
    checked = check(deployments, value)
    assert checked.unknown == ('unknown field "spec.template.spec.containers[0].colour"', 'unknown field "spex"')
    assert checked.value == with_container()
    assert value["spex"] == {}


def test_nulls_are_what_go_makes_of_them(deployments: TypeNode) -> None:
    value = {"metadata": {"labels": {"a": None}, "annotations": None}, **with_container(args=[None, "x"], image=None)}
    assert check(deployments, value).value == {"metadata": {"labels": {"a": ""}}, **with_container(args=["", "x"])}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"spec": {"replicas": "x"}},
            "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"spec": {"replicas": 1.5}},
            "cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        ({"spec": {"replicas": 2**31}}, "of type int32"),
        ({"spec": {"replicas": True}}, "cannot unmarshal bool into"),
        (
            {"spec": {"paused": "no"}},
            "cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool",
        ),
        (
            {"metadata": {"labels": {"a": 1}}},
            "cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        ({"metadata": {"labels": []}}, "ObjectMeta.metadata.labels of type map[string]string"),
        (
            with_container(env=[{"name": "a", "value": 1}]),
            "cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string",
        ),
        (
            {"spec": {"template": {"spec": {"containers": {}}}}},
            "PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        ({"spec": 1}, "cannot unmarshal number into Go struct field Deployment.spec of type v1.DeploymentSpec"),
        ([], "json: cannot unmarshal array into Go value of type v1.Deployment"),
        (with_container(resources={"limits": {"cpu": "lots"}}), "quantities must match the regular expression"),
        (with_container(ports=[{"containerPort": 80, "hostPort": {}}]), "of type int32"),
        (with_container(livenessProbe={"httpGet": {"port": []}}), "of type intstr.IntOrString"),
        ({"metadata": {"creationTimestamp": "yesterday"}}, 'parsing time "yesterday"'),
    ],
)
def test_wrong_types_are_named_as_the_real_decoder_does(deployments: TypeNode, value: Any, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        check(deployments, value)
    assert message in caught.value.message
    shown = cannot_be_handled("Deployment", "v1", caught.value)
    assert shown.startswith('Deployment in version "v1" cannot be handled as a Deployment: ')


@pytest.mark.parametrize(
    ("given_time", "stored"),
    [
        ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z"),
        ("2024-02-29T12:00:00.5+09:00", "2024-02-29T03:00:00Z"),
        ("2024-02-29t12:00:00z", "2024-02-29T12:00:00Z"),
    ],
)
def test_times_are_stored_in_utc(deployments: TypeNode, given_time: str, stored: str) -> None:
    checked = check(deployments, {"metadata": {"creationTimestamp": given_time}})
    assert checked.value["metadata"]["creationTimestamp"] == stored


@pytest.mark.parametrize(
    ("number", "stored"),
    [
        (1, "1"),
        (0, "0"),
        (0.5, "500m"),
        (0.1, "100m"),
        (1.5, "1500m"),
        (2000, "2k"),
        (-3, "-3"),
        (1e-12, "1n"),
        (1e30, "1000000000000E"),
    ],
)
def test_numbers_for_quantities_become_strings(deployments: TypeNode, number: float, stored: str) -> None:
    value = check(deployments, with_container(resources={"limits": {"cpu": number}})).value
    assert value == with_container(resources={"limits": {"cpu": stored}})


@pytest.mark.parametrize("text", ["100m", "1", "0.5", ".5", "5.", "1e3", "1E-3", "128Mi", "-2", "+1k", "1Ei", "10n"])
def test_quantities_are_kept_as_written(deployments: TypeNode, text: str) -> None:
    value = with_container(resources={"limits": {"cpu": text}})
    assert check(deployments, value).value is value


@pytest.mark.parametrize("text", ["", ".", "1 ", "1mi", "1e", "Mi", "1.2.3", "0x1", "\u0661"])
def test_what_is_no_quantity_is_refused(deployments: TypeNode, text: str) -> None:
    with pytest.raises(Malformed, match="quantit"):
        check(deployments, with_container(resources={"limits": {"cpu": text}}))


def test_micro_times_keep_their_micro_seconds(schema: Schema) -> None:
    node = schema.type_of("coordination.k8s.io", "v1", "Lease")
    assert node is not None
    value = check(node, {"spec": {"renewTime": "2024-01-01T00:00:00.1Z"}}).value
    assert value["spec"]["renewTime"] == "2024-01-01T00:00:00.100000Z"


def test_secret_data_must_be_base64(schema: Schema) -> None:
    node = schema.type_of("", "v1", "Secret")
    assert node is not None
    assert check(node, {"data": {"a": "aGk=\n"}}).value == {"data": {"a": "aGk="}}
    with pytest.raises(Malformed, match="illegal base64 data at input byte 1"):
        check(node, {"data": {"a": "a!b="}})
    with pytest.raises(Malformed, match="illegal base64 data at input byte"):
        check(node, {"data": {"a": "abc"}})


CRONTAB: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["cron"],
            "properties": {
                "cron": {"type": "string", "default": "* * * * *", "enum": ["* * * * *", "x"]},
                "size": {"x-kubernetes-int-or-string": True},
                "free": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"a": {"type": "object"}},
                },
                "env": {
                    "type": "object",
                    "additionalProperties": {"type": "object", "properties": {"v": {"type": "string"}}},
                },
                "list": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"n": {"type": "integer", "format": "int32"}}},
                },
                "pod": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "x-kubernetes-preserve-unknown-fields": True,
                },
            },
        }
    },
}


def test_custom_resources_are_pruned_by_their_structural_schema(schema: Schema) -> None:
    node = from_structural_schema(CRONTAB, schema)
    spec = {
        "cron": 5,
        "gone": 1,
        "free": {"x": {"y": 1}, "a": {"gone": 1}},
        "env": {"k": {"v": "1", "gone": 1}},
        "list": [{"n": 1, "gone": 2}],
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "n"}, "spec": {"any": 1}},
    }
    value = {"apiVersion": "x/v1", "kind": "CronTab", "metadata": {"name": "a", "gone": 1}, "spec": spec, "gone": {}}
    pruned = prune(node, value)
    assert pruned.value == {
        "apiVersion": "x/v1",
        "kind": "CronTab",
        "metadata": {"name": "a"},
        "spec": {
            "cron": 5,
            "free": {"x": {"y": 1}, "a": {}},
            "env": {"k": {"v": "1"}},
            "list": [{"n": 1}],
            "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "n"}, "spec": {"any": 1}},
        },
    }
    assert 'unknown field "spec.list[0].gone"' in pruned.unknown
    assert len(pruned.unknown) == 6


def test_structural_schemas_keep_what_validation_needs(schema: Schema) -> None:
    spec = from_structural_schema(CRONTAB, schema).fields["spec"]
    cron = spec.fields["cron"]
    assert (cron.default, cron.has_default, cron.enum) == ("* * * * *", True, ("* * * * *", "x"))
    assert spec.required == {"cron"}
    assert spec.fields["size"].kind == "int_or_string"
    assert spec.fields["list"].items is not None
    assert spec.fields["list"].items.fields["n"].format == "int32"


def test_schemaless_custom_resources_keep_everything(schema: Schema) -> None:
    value = {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "a"}, "anything": [{"goes": 1}]}
    assert prune(without_schema(schema), value).unknown == ()


def test_compact_and_spaced_bodies_decode_alike() -> None:
    value = with_container(args=["a:b", '"c":'])
    compact = json.dumps(value, separators=(",", ":")).encode()
    assert decode(compact) == decode(json.dumps(value, indent=2).encode())
