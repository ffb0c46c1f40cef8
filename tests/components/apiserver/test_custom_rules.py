"""Definitions that cannot hold are refused; rules and ratcheting hold for what is written."""

import asyncio

import pytest

from tests.components.apiserver.test_custom_kinds import DEFINITIONS, WIDGETS, definition, established

MERGE = "application/merge-patch+json"


def with_spec(spec, **more):
    return definition(schema={"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}, **more}})


def ruled(rule, **properties):
    return with_spec({"type": "object", "properties": properties, "x-kubernetes-validations": [rule]})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (with_spec({"properties": {}}), "must not be empty for specified object fields"),
        (with_spec({"type": "array"}), "items: Required value: must be specified"),
        (with_spec({"type": "strange"}), 'Unsupported value: "strange"'),
        (with_spec({"type": "array", "items": {"type": "string"}, "uniqueItems": True}), "uniqueItems cannot be set"),
        (with_spec({"type": "string", "pattern": "("}), "must be a valid regular expression"),
        (with_spec({"type": "integer", "default": "x"}), "must be of type integer"),
        (with_spec({"type": "object", "default": {"x": 1}}), "must not have unknown fields"),
        (
            with_spec({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"}),
            "must not be empty if x-kubernetes-list-type is map",
        ),
        (with_spec({"type": "object", "anyOf": [{"type": "object"}]}), "must be empty to be structural"),
        (ruled({"rule": "self.z > 1"}), "undefined field 'z'"),
        (
            ruled(
                {
                    "rule": "self.a >",
                },
                a={"type": "integer"},
            ),
            "Syntax error",
        ),
        (
            ruled(
                {
                    "rule": "self.a",
                },
                a={"type": "integer"},
            ),
            "must evaluate to a bool",
        ),
        (
            ruled({"rule": "unknownFunction(self.a)"}, a={"type": "integer"}),
            "undeclared reference to 'unknownFunction'",
        ),
        (ruled({"rule": "true", "reason": "Odd"}), "Unsupported value"),
        (
            with_spec(
                {
                    "type": "array",
                    "items": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > oldSelf"}]},
                }
            ),
            "oldSelf cannot be used on the uncorrelatable portion of the schema",
        ),
    ],
)
async def test_definitions_that_cannot_hold_are_refused(api, given, words):
    status, body = await api.ask("POST", DEFINITIONS, given)
    assert status == 422, body
    assert words in body["message"]


async def test_rules_see_what_stood_before_and_what_does_not_change_may_stay(api):
    fields = {"size": {"type": "integer"}, "name": {"type": "string"}}
    await api.must_do("POST", DEFINITIONS, ruled({"rule": "true"}, **fields))
    await established(api)
    await api.must_do("POST", WIDGETS, {"metadata": {"name": "a"}, "spec": {"size": 5, "name": "long name"}})
    tight = {"rule": "self.size >= oldSelf.size", "message": "may not shrink", "fieldPath": ".size"}
    fields["name"]["maxLength"] = 4
    changed = ruled(tight, **fields)
    kept = await api.must_do("GET", f"{DEFINITIONS}/widgets.example.com")
    changed["metadata"]["resourceVersion"] = kept["metadata"]["resourceVersion"]
    await api.must_do("PUT", f"{DEFINITIONS}/widgets.example.com", changed)
    async with asyncio.timeout(5):
        while (await api.ask("PATCH", f"{WIDGETS}/a?dryRun=All", {"spec": {"size": 4}}, media=MERGE))[0] != 422:
            await asyncio.sleep(0)
    _, body = await api.ask("PATCH", f"{WIDGETS}/a", {"spec": {"size": 1}}, media=MERGE)
    assert body["message"].endswith("spec.size: Invalid value: may not shrink")
    grown = await api.must_do("PATCH", f"{WIDGETS}/a", {"spec": {"size": 6}}, media=MERGE)
    assert grown["spec"]["name"] == "long name"
    status, body = await api.ask("PATCH", f"{WIDGETS}/a", {"spec": {"name": "other name"}}, media=MERGE)
    assert status == 422 and "Too long" in body["message"]


async def test_a_wrong_type_in_metadata_is_a_bad_request(api):
    await api.must_do("POST", DEFINITIONS, definition())
    await established(api)
    status, body = await api.ask("POST", WIDGETS, {"metadata": {"name": "a", "labels": {"x": 1}}, "spec": {"size": 1}})
    assert status == 400, body
