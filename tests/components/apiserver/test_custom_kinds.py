"""Custom kinds: defined, served, bounded and taken away."""

import asyncio

import pytest

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
MERGE = "application/merge-patch+json"


def definition(plural="widgets", kind="Widget", **version):
    spec = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 9},
            "color": {"type": "string", "default": "red", "enum": ["red", "blue"]},
            "replicas": {"type": "integer"},
        },
    }
    schema = {
        "type": "object",
        "properties": {"spec": spec, "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    first = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **version}
    return {
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "shortNames": [plural[:2]]},
            "versions": [first],
        },
    }


async def established(api, name="widgets.example.com"):
    async with asyncio.timeout(5):
        while True:
            found = await api.must_do("GET", f"{DEFINITIONS}/{name}")
            if any(
                one["type"] == "Established" and one["status"] == "True"
                for one in found["status"].get("conditions", [])
            ):
                return found
            await asyncio.sleep(0)


@pytest.fixture
async def widgets(api):
    subresources = {
        "status": {},
        "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
    }
    columns = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
    await api.must_do("POST", DEFINITIONS, definition(subresources=subresources, additionalPrinterColumns=columns))
    return await established(api)


def widget(name="w", **spec):
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


async def test_a_definition_is_established_with_its_names(api, widgets):
    assert widgets["status"]["acceptedNames"]["singular"] == "widget"
    assert widgets["status"]["storedVersions"] == ["v1"]
    resources = await api.must_do("GET", "/apis/example.com/v1")
    assert {one["name"] for one in resources["resources"]} == {"widgets", "widgets/status", "widgets/scale"}
    document = await api.must_do("GET", "/openapi/v3/apis/example.com/v1")
    assert any("Widget" in name for name in document["components"]["schemas"])
    assert (await api.must_do("GET", "/apis/apiregistration.k8s.io/v1/apiservices/v1.example.com"))["spec"][
        "group"
    ] == "example.com"


async def test_documents_are_defaulted_pruned_and_checked(api, widgets):
    made = await api.must_do("POST", f"{WIDGETS}?fieldValidation=Ignore", widget(size=3, nonsense=1))
    assert made["spec"] == {"size": 3, "color": "red"} and made["metadata"]["generation"] == 1
    await api.must_refuse(400, "POST", f"{WIDGETS}?fieldValidation=Strict", widget("x", size=3, nonsense=1))
    for spec in ({}, {"size": 10}, {"size": "3"}, {"size": 1, "color": "green"}):
        status = await api.must_refuse(422, "POST", WIDGETS, widget("bad", **spec))
        assert status["message"].startswith('Widget.example.com "bad" is invalid: spec.')


async def test_status_scale_and_columns_work_as_for_built_in_kinds(api, widgets):
    await api.must_do("POST", WIDGETS, widget(size=3, replicas=2))
    after = await api.must_do(
        "PATCH", f"{WIDGETS}/w/status", {"status": {"replicas": 2}, "spec": {"size": 9}}, media=MERGE
    )
    assert after["spec"]["size"] == 3 and after["metadata"]["generation"] == 1
    scale = await api.must_do("PATCH", f"{WIDGETS}/w/scale", {"spec": {"replicas": 4}}, media=MERGE)
    assert scale["spec"]["replicas"] == 4 and scale["status"]["replicas"] == 2
    assert (await api.must_do("GET", f"{WIDGETS}/w"))["metadata"]["generation"] == 2
    table = await api.must_do("GET", WIDGETS, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Size"]
    assert table["rows"][0]["cells"] == ["w", 3]


async def test_strategic_patches_are_unsupported_and_apply_works(api, widgets):
    await api.must_do("POST", WIDGETS, widget(size=3))
    await api.must_refuse(415, "PATCH", f"{WIDGETS}/w", {}, media="application/strategic-merge-patch+json")
    applied = await api.must_do(
        "PATCH", f"{WIDGETS}/w?fieldManager=m&force=true", widget(size=4), media="application/apply-patch+yaml"
    )
    assert applied["spec"]["size"] == 4


async def test_two_versions_are_one_document(api):
    value = definition()
    value["spec"]["versions"].append({**value["spec"]["versions"][0], "name": "v2", "storage": False})
    await api.must_do("POST", DEFINITIONS, value)
    await established(api)
    await api.must_do("POST", WIDGETS.replace("v1", "v2"), {**widget(size=2), "apiVersion": "example.com/v2"})
    assert (await api.must_do("GET", f"{WIDGETS}/w"))["apiVersion"] == "example.com/v1"
    listing = await api.must_do("GET", WIDGETS.replace("v1", "v2"))
    assert listing["items"][0]["apiVersion"] == "example.com/v2"
    group = await api.must_do("GET", "/apis/example.com")
    assert group["preferredVersion"]["version"] == "v2"


async def test_a_deleted_definition_takes_its_documents_along(api, widgets):
    await api.must_do("POST", WIDGETS, widget(size=3))
    await api.must_do(
        "POST", WIDGETS, {**widget("held", size=3), "metadata": {"name": "held", "finalizers": ["example.com/x"]}}
    )
    marked = await api.must_do("DELETE", f"{DEFINITIONS}/widgets.example.com")
    assert marked["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    async with asyncio.timeout(5):
        while (await api.ask("GET", f"{WIDGETS}/w"))[0] != 404:
            await asyncio.sleep(0)
    await api.must_refuse(405, "POST", WIDGETS, widget("new", size=1))
    await api.must_do("PATCH", f"{WIDGETS}/held", {"metadata": {"finalizers": None}}, media=MERGE)
    async with asyncio.timeout(5):
        while (await api.ask("GET", f"{DEFINITIONS}/widgets.example.com"))[0] != 404:
            await asyncio.sleep(0)
    async with asyncio.timeout(5):
        while (await api.ask("GET", WIDGETS))[0] != 404:
            await asyncio.sleep(0)


async def test_names_that_are_taken_are_not_accepted(api, widgets):
    await api.must_do("POST", DEFINITIONS, definition("gadgets", "Widget"))
    async with asyncio.timeout(5):
        while True:
            found = await api.must_do("GET", f"{DEFINITIONS}/gadgets.example.com")
            if found["status"].get("conditions"):
                break
            await asyncio.sleep(0)
    accepted = next(one for one in found["status"]["conditions"] if one["type"] == "NamesAccepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "ListKindConflict")
    await api.must_refuse(404, "GET", "/apis/example.com/v1/gadgets")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"group": "nodots"}, "spec.group"),
        ({"scope": "Everywhere"}, "spec.scope"),
        ({"versions": []}, "spec.versions"),
    ],
)
async def test_a_bad_definition_is_invalid(api, change, field):
    value = definition()
    value["spec"].update(change)
    status = await api.must_refuse(422, "POST", DEFINITIONS, value)
    assert field in {cause["field"] for cause in status["details"]["causes"]}
