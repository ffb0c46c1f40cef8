"""Policies are checked against the types of the kinds they name, and custom kinds are selected by their own fields."""

import asyncio

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
EXPRESSIONS = ("object.spec.replicas > 1", "object.spec.replicas > '1'", "object.spec.maxRetries < 10")


def policy(group, plural, expressions=EXPRESSIONS, **more):
    rule = {"operations": ["CREATE"], "apiGroups": [group], "apiVersions": ["v1"], "resources": [plural]}
    validations = [{"expression": one} for one in expressions]
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": validations, **more}
    return {"metadata": {"name": "p"}, "spec": spec}


def definition(**more):
    spec = {"type": "object", "properties": {"replicas": {"type": "integer"}, "host": {"type": "string"}}}
    schema = {"type": "object", "properties": {"spec": spec}}
    names = {"plural": "things", "kind": "Thing", "singular": "thing"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **more}
    spec = {"group": "x.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": "things.x.example.com"}, "spec": spec}


async def until(api, target, is_done):
    async with asyncio.timeout(5):
        while not is_done(value := await api.must_do("GET", target)):
            await asyncio.sleep(0)
    return value


def is_checked(value):
    return (value.get("status") or {}).get("typeChecking") is not None


def is_established(value):
    return any(one["type"] == "Established" for one in (value.get("status") or {}).get("conditions") or ())


async def test_expressions_are_checked_against_built_in_kinds(api):
    variables = [{"name": "count", "expression": "object.spec.replicas"}]
    more = (*EXPRESSIONS, "variables.count.size() > 1")
    await api.must_do("POST", POLICIES, policy("apps", "deployments", more, variables=variables))
    value = await until(api, f"{POLICIES}/p", is_checked)
    assert value["status"]["observedGeneration"] == value["metadata"]["generation"] == 1
    first, second, third = value["status"]["typeChecking"]["expressionWarnings"]
    assert first["fieldRef"] == "spec.validations[1].expression"
    assert first["warning"].startswith("apps/v1, Kind=Deployment: compilation failed: ERROR: <input>:1:22: ")
    assert "found no matching overload for '_>_' applied to '(int, string)'" in first["warning"]
    assert second["fieldRef"] == "spec.validations[2].expression"
    assert "undefined field 'maxRetries'" in second["warning"]
    assert third["fieldRef"] == "spec.validations[3].expression"


async def test_expressions_are_checked_against_custom_kinds(api):
    await api.must_do("POST", DEFINITIONS, definition())
    await until(api, f"{DEFINITIONS}/things.x.example.com", is_established)
    await api.must_do("POST", POLICIES, policy("x.example.com", "things"))
    value = await until(api, f"{POLICIES}/p", is_checked)
    fields = [one["fieldRef"] for one in value["status"]["typeChecking"]["expressionWarnings"]]
    assert fields == ["spec.validations[1].expression", "spec.validations[2].expression"]
    changed = {**value, "spec": policy("x.example.com", "things", EXPRESSIONS[:1])["spec"]}
    await api.must_do("PUT", f"{POLICIES}/p", changed)
    value = await until(api, f"{POLICIES}/p", lambda one: one["status"].get("observedGeneration") == 2)
    assert value["status"]["typeChecking"] == {}


async def test_custom_kinds_are_selected_by_their_own_fields(api):
    await api.must_do("POST", DEFINITIONS, definition(selectableFields=[{"jsonPath": ".spec.host"}]))
    await until(api, f"{DEFINITIONS}/things.x.example.com", is_established)
    things = "/apis/x.example.com/v1/namespaces/default/things"
    for name, host in (("a", "one"), ("b", "two")):
        await api.must_do("POST", things, {"metadata": {"name": name}, "spec": {"host": host}})
    found = await api.must_do("GET", f"{things}?fieldSelector=spec.host=two")
    assert [one["metadata"]["name"] for one in found["items"]] == ["b"]
    await api.must_do("DELETE", f"{things}?fieldSelector=spec.host=two")
    assert [one["metadata"]["name"] for one in (await api.must_do("GET", things))["items"]] == ["a"]
    status = await api.must_refuse(400, "GET", f"{things}?fieldSelector=spec.replicas=1")
    assert status["message"] == "field label not supported: spec.replicas"


async def test_what_is_left_of_a_policys_budget_is_for_all_its_expressions(api):
    deep = "object.data.all(x, object.data.all(y, object.data.all(z, x != '')))"
    await api.must_do("POST", POLICIES, policy("", "configmaps", [deep, "object.data.size() == 300"]))
    spec = {"policyName": "p", "validationActions": ["Warn"]}
    await api.must_do("POST", f"{POLICIES.removesuffix('ies')}ybindings", {"metadata": {"name": "b"}, "spec": spec})
    data = {f"k{number}": "v" for number in range(300)}
    answer = await api.answer(
        "POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "c"}, "data": data}
    )
    assert answer.status == 201
    assert str(answer.headers).count("actual cost limit exceeded") == 2
