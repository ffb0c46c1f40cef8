"""What the server says about itself: schema, discovery, OpenAPI, tables, Status bodies."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from maru.wire.k8s import discovery, openapi
from maru.wire.k8s.errors import ApplyConflict, FieldCause, FieldConflict
from maru.wire.k8s.schema import ResourceInfo, Schema, SubresourceInfo
from maru.wire.k8s.status import StatusDetails, failure, success
from maru.wire.k8s.table import TableColumn, TableRow, table

# path, method: what the official conformance tests of Kubernetes call
ENDPOINTS = Path(__file__).parent / "conformance_endpoints.tsv"

CRONTAB = ResourceInfo(
    group="stable.example.com",
    version="v1beta1",
    kind="CronTab",
    plural="crontabs",
    singular="crontab",
    namespaced=True,
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    short_names=("ct",),
    subresources=(SubresourceInfo("scale", "autoscaling", "v1", "Scale", ("get", "patch", "update")),),
)


def resource(schema: Schema, plural: str, group: str = "") -> ResourceInfo:
    return next(one for one in schema.resources if (one.plural, one.group) == (plural, group))


def test_every_stable_resource_is_there(schema: Schema) -> None:
    assert len(schema.resources) == 68
    assert len({(one.group, one.version) for one in schema.resources}) == 22
    assert all(schema.type_of(one.group, one.version, one.kind) for one in schema.resources)
    assert len({(one.group, one.version, one.plural) for one in schema.resources}) == 68


def test_facts_of_resources(schema: Schema) -> None:
    pods = resource(schema, "pods")
    assert (pods.short_names, pods.categories, pods.singular, pods.namespaced) == (("po",), ("all",), "pod", True)
    assert {one.name for one in pods.subresources} == {
        "attach",
        "binding",
        "ephemeralcontainers",
        "eviction",
        "exec",
        "log",
        "portforward",
        "proxy",
        "resize",
        "status",
    }
    scale = resource(schema, "deployments", "apps").subresource("scale")
    assert scale == SubresourceInfo("scale", "autoscaling", "v1", "Scale", ("get", "patch", "update"))
    assert resource(schema, "nodes").namespaced is False
    assert "deletecollection" not in resource(schema, "namespaces").verbs
    assert resource(schema, "selfsubjectaccessreviews", "authorization.k8s.io").verbs == ("create",)


@pytest.mark.parametrize(
    ("kind", "path", "facts"),
    [
        (("apps", "v1", "Deployment"), "spec.template.spec.containers", {"list_type": "map", "map_keys": ("name",), "merge_key": "name", "patch_strategy": ("merge",)}),
        (("apps", "v1", "Deployment"), "spec.strategy", {"patch_strategy": ("retainKeys",), "kind": "object"}),
        (("apps", "v1", "Deployment"), "spec.selector", {"atomic": True}),
        (("", "v1", "Pod"), "metadata.finalizers", {"list_type": "set", "patch_strategy": ("merge",)}),
        (("", "v1", "Pod"), "metadata.ownerReferences", {"map_keys": ("uid",)}),
        (("", "v1", "Pod"), "metadata.creationTimestamp", {"kind": "time"}),
        (("", "v1", "Pod"), "spec.nodeSelector", {"kind": "map", "atomic": True}),
        (("", "v1", "Pod"), "spec.priority", {"kind": "integer", "format": "int32"}),
        (("", "v1", "Secret"), "data", {"kind": "map"}),
        (("coordination.k8s.io", "v1", "Lease"), "spec.renewTime", {"kind": "micro_time"}),
        (("apps", "v1", "ControllerRevision"), "data", {"kind": "any"}),
    ],
)  # fmt: skip
def test_types_of_fields(schema: Schema, kind: tuple[str, str, str], path: str, facts: dict[str, Any]) -> None:
    node = schema.type_of(*kind)
    for key in path.split("."):
        assert node is not None
        node = node.fields[key]
    assert {key: getattr(node, key) for key in facts} == facts


def test_types_that_hold_themselves_are_resolved_late(schema: Schema) -> None:
    crd = schema.type_of("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
    assert crd is not None
    versions = crd.fields["spec"].fields["versions"].items
    assert versions is not None
    props = versions.fields["schema"].fields["openAPIV3Schema"]
    assert props.fields["properties"].items is not None
    assert props.fields["properties"].items.fields["not"].fields["type"].kind == "string"


def test_unknown_kinds_have_no_type(schema: Schema) -> None:
    assert schema.type_of("apps", "v1beta1", "Deployment") is None
    assert schema.resource_of("", "v1", "Nothing") is None


def test_groups_name_the_preferred_version_first(schema: Schema) -> None:
    groups = {one["name"]: one for one in discovery.api_group_list([*schema.resources, CRONTAB])["groups"]}
    assert "" not in groups
    assert groups["autoscaling"]["preferredVersion"] == {"groupVersion": "autoscaling/v2", "version": "v2"}
    assert [one["version"] for one in groups["autoscaling"]["versions"]] == ["v2", "v1"]
    assert groups["stable.example.com"]["preferredVersion"]["version"] == "v1beta1"
    assert discovery.api_group(schema.resources, "nothing") is None


def test_version_priority_is_kubernetes_own() -> None:
    names = [
        "foo10",
        "v1alpha1",
        "v10beta3",
        "v2",
        "v3beta1",
        "v12alpha1",
        "foo1",
        "v11beta2",
        "v1",
        "v10",
        "v11alpha2",
    ]
    # Source: Kubernetes docs, "Versions in CustomResourceDefinitions", version priority.
    assert sorted(names, key=discovery.version_priority, reverse=True) == [
        "v10",
        "v2",
        "v1",
        "v11beta2",
        "v10beta3",
        "v3beta1",
        "v12alpha1",
        "v11alpha2",
        "v1alpha1",
        "foo1",
        "foo10",
    ]


def test_resource_lists_show_subresources(schema: Schema) -> None:
    listed = discovery.api_resource_list(schema.resources, "apps", "v1")
    assert listed is not None
    rows = {one["name"]: one for one in listed["resources"]}
    assert rows["deployments"]["shortNames"] == ["deploy"]
    assert rows["deployments/scale"] == {
        "name": "deployments/scale",
        "singularName": "",
        "namespaced": True,
        "kind": "Scale",
        "group": "autoscaling",
        "version": "v1",
        "verbs": ["get", "patch", "update"],
    }
    assert "group" not in rows["deployments/status"]
    assert discovery.api_resource_list(schema.resources, "apps", "v9") is None


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_aggregated_discovery_holds_every_resource(schema: Schema, version: str) -> None:
    served = [*schema.resources, CRONTAB]
    named = discovery.aggregated(served, core=False, version=version)
    core = discovery.aggregated(served, core=True, version=version)
    assert named["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    shown = [
        (item["metadata"].get("name", ""), entry["version"], one["resource"])
        for item in (*core["items"], *named["items"])
        for entry in item["versions"]
        for one in entry["resources"]
    ]
    assert sorted(shown) == sorted((one.group, one.version, one.plural) for one in served)
    crontabs = named["items"][-1]["versions"][0]["resources"][0]
    assert crontabs["scope"] == "Namespaced"
    assert crontabs["subresources"][0]["responseKind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}


def _operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (path.rstrip("/"), method.upper())
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }


def test_every_endpoint_of_the_conformance_tests_is_an_operation(schema: Schema) -> None:
    operations = _operations(openapi.v2_document(schema, schema.resources))
    operations |= {("/version", "GET"), ("/api", "GET"), ("/apis", "GET"), ("/api/v1", "GET")}
    for one in schema.resources:
        if one.group:
            operations |= {(f"/apis/{one.group}", "GET"), (f"/apis/{one.group}/{one.version}", "GET")}
    lines = ENDPOINTS.read_text().splitlines()
    wanted = {(path.rstrip("/"), method) for path, method in (line.split("\t") for line in lines)}
    assert len(wanted) > 500
    assert wanted - operations == set()


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(_references, value.values())) if value else own
    if isinstance(value, list):
        return set().union(*map(_references, value)) if value else set()
    return set()


def test_every_v3_document_is_complete(schema: Schema) -> None:
    for path in openapi.v3_paths(schema.resources):
        document = openapi.v3_document(schema, schema.resources, path)
        assert document is not None
        held = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        operations = {**document, "components": {"schemas": {}}}
        assert _references(operations) <= held
        for name, one in document["components"]["schemas"].items():
            fields = {key: value for key, value in one.get("properties", {}).items() if key != "$ref"}
            assert _references(fields) <= held, name


def test_v2_document_is_complete(schema: Schema) -> None:
    document = openapi.v2_document(schema, schema.resources)
    held = {f"#/definitions/{name}" for name in document["definitions"]}
    assert _references(document["paths"]) <= held
    pod = document["definitions"]["io.k8s.api.core.v1.Pod"]
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "version": "v1", "kind": "Pod"}]
    assert pod["properties"]["spec"]["$ref"] == "#/definitions/io.k8s.api.core.v1.PodSpec"


def test_kubectl_finds_its_query_parameters_and_kinds(schema: Schema) -> None:
    document = openapi.v3_document(schema, schema.resources, "apis/apps/v1")
    assert document is not None
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert {"dryRun", "fieldValidation", "fieldManager", "force"} <= {one["name"] for one in patch["parameters"]}
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert "application/apply-patch+yaml" in patch["requestBody"]["content"]
    spec = document["components"]["schemas"]["io.k8s.api.apps.v1.DeploymentSpec"]
    assert spec["properties"]["template"]["allOf"] == [
        {"$ref": "#/components/schemas/io.k8s.api.core.v1.PodTemplateSpec"}
    ]
    assert "replicas" in spec["properties"]
    assert spec["properties"]["replicas"]["description"].startswith("Number of desired pods")
    assert spec["required"] == ["selector", "template"]


def test_custom_resources_are_described(schema: Schema) -> None:
    shape = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "nullable": True,
                "properties": {"n": {"x-kubernetes-int-or-string": True, "anyOf": []}},
            }
        },
    }
    before = copy.deepcopy(shape)
    custom = [openapi.CustomSchema(CRONTAB, shape)]
    served = [*schema.resources, CRONTAB]
    document = openapi.v3_document(schema, served, "apis/stable.example.com/v1beta1", custom)
    assert document is not None
    shown = document["components"]["schemas"]["com.example.stable.v1beta1.CronTab"]
    assert shown["properties"]["spec"] == shape["properties"]["spec"]
    assert shown["properties"]["metadata"]["allOf"][0]["$ref"].endswith("ObjectMeta")
    assert ("/apis/stable.example.com/v1beta1/namespaces/{namespace}/crontabs/{name}", "PATCH") in _operations(document)
    old = openapi.v2_document(schema, served, custom)["definitions"]["com.example.stable.v1beta1.CronTab"]
    assert old["properties"]["spec"] == {"properties": {"n": {"x-kubernetes-int-or-string": True}}}
    assert shape == before


def test_the_index_carries_the_hashes(schema: Schema) -> None:
    index = openapi.v3_index(schema.resources, {"api/v1": "abc"})["paths"]
    assert index["api/v1"] == {"serverRelativeURL": "/openapi/v3/api/v1?hash=abc"}
    assert index["apis/apps/v1"] == {"serverRelativeURL": "/openapi/v3/apis/apps/v1"}
    assert openapi.v3_document(schema, schema.resources, "apis/nothing/v1") is None


ROWS = [
    TableRow(["a", 1], b'{"kind":"X","metadata":{"name":"a"}}', {"name": "a"}),
    TableRow(["b", None], b"{}", {"name": "b"}),
]


@pytest.mark.parametrize(
    ("include", "shown"),
    [
        ("Object", [{"kind": "X", "metadata": {"name": "a"}}, {}]),
        ("None", [None, None]),
        (
            "Metadata",
            [
                {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": name}}
                for name in "ab"
            ],
        ),
    ],
)
def test_tables_hold_cells_and_what_was_asked_for(include: str, shown: list[Any]) -> None:
    columns = [TableColumn("Name", format="name"), TableColumn("N", "integer", priority=1)]
    body = json.loads(table(columns, ROWS, {"resourceVersion": "7"}, include=include))
    assert (body["kind"], body["apiVersion"], body["metadata"]) == ("Table", "meta.k8s.io/v1", {"resourceVersion": "7"})
    assert body["columnDefinitions"][1] == {
        "name": "N",
        "type": "integer",
        "format": "",
        "description": "",
        "priority": 1,
    }
    assert [one["cells"] for one in body["rows"]] == [["a", 1], ["b", None]]
    assert [one["object"] for one in body["rows"]] == shown


def test_tables_may_be_empty() -> None:
    body = json.loads(table([], [], {}, version="v1beta1"))
    assert body == {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1beta1",
        "metadata": {},
        "columnDefinitions": [],
        "rows": [],
    }


def test_status_bodies() -> None:
    details = StatusDetails(
        name="web", group="apps", kind="deployments", causes=[FieldCause("spec", "FieldValueInvalid", "no")]
    )
    assert failure(422, "Invalid", "it is", details) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "it is",
        "reason": "Invalid",
        "details": {
            "name": "web",
            "group": "apps",
            "kind": "deployments",
            "causes": [{"reason": "FieldValueInvalid", "message": "no", "field": "spec"}],
        },
        "code": 422,
    }
    assert success(StatusDetails(name="a", kind="pods", uid="u")) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "kind": "pods", "uid": "u"},
    }
    assert failure(429, "TooManyRequests", "", StatusDetails(retry_after_s=1))["details"] == {"retryAfterSeconds": 1}


def test_conflicts_are_ready_for_a_status() -> None:
    conflict = FieldConflict("kubectl", "Update", "apps/v1", "scale", "2026-01-01T00:00:00Z", ".spec.replicas")
    error = ApplyConflict([conflict])
    assert error.causes[0].reason == "FieldManagerConflict"
    assert (
        error.causes[0].message
        == 'conflict with "kubectl" with subresource "scale" using apps/v1 at 2026-01-01T00:00:00Z'
    )
    assert ApplyConflict([FieldConflict("me", "Apply", "v1", "", "", ".a")]).message == (
        'Apply failed with 1 conflict: conflict with "me": .a'
    )


def test_documents_are_plain_json(schema: Schema) -> None:
    for value in (
        discovery.aggregated(schema.resources, core=False),
        openapi.v2_document(schema, schema.resources),
        discovery.api_versions("127.0.0.1:6443"),
    ):
        assert msgspec.json.decode(msgspec.json.encode(value)) == value


def test_a_resource_tells_the_hash_of_the_version_it_is_kept_in(schema: Schema) -> None:
    deployments = next(one for one in schema.resources if one.plural == "deployments")
    listed = discovery.api_resource_list(schema.resources, "apps", "v1", {deployments: "apps/v1/Deployment"})
    assert listed is not None
    rows = {one["name"]: one for one in listed["resources"]}
    assert rows["deployments"]["storageVersionHash"] == "8aSe+NMegvE="  # as every real server tells it
    assert "storageVersionHash" not in rows["deployments/status"]
