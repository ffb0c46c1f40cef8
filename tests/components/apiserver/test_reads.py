"""get, list and watch as clients see them."""

import asyncio
import base64

import msgspec
import pytest
import ryaml

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


async def make(api, name, **labels):
    return await api.must_do("POST", CONFIGMAPS, {"metadata": {"name": name, "labels": labels}})


@pytest.fixture
async def five(api):
    for name in "abcde":
        await make(api, name, is_vowel=str(name in "ae").lower())


def names(listing):
    return [one["metadata"]["name"] for one in listing["items"]]


async def test_pages_are_true_at_one_revision(api, five):
    first = await api.must_do("GET", f"{CONFIGMAPS}?limit=2")
    assert names(first) == ["a", "b"] and first["metadata"]["remainingItemCount"] == 3
    await make(api, "bb")
    await api.must_do("DELETE", f"{CONFIGMAPS}/d")
    second = await api.must_do("GET", f"{CONFIGMAPS}?limit=2&continue={first['metadata']['continue']}")
    third = await api.must_do("GET", f"{CONFIGMAPS}?limit=2&continue={second['metadata']['continue']}")
    assert names(second) + names(third) == ["c", "d", "e"]
    assert third["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "continue" not in third["metadata"]


async def test_an_outdated_page_is_gone_and_can_be_continued_inconsistently(api, five):
    first = await api.must_do("GET", f"{CONFIGMAPS}?limit=2")
    await api.must_do("DELETE", f"{CONFIGMAPS}/c")
    await api.store.compact(api.store.version)
    status = await api.must_refuse(410, "GET", f"{CONFIGMAPS}?limit=2&continue={first['metadata']['continue']}")
    assert status["reason"] == "Expired"
    rest = await api.must_do("GET", f"{CONFIGMAPS}?limit=5&continue={status['metadata']['continue']}")
    assert names(rest) == ["d", "e"]


@pytest.mark.parametrize("token", ["x", "!!!", base64.urlsafe_b64encode(b'{"v":"meta.k8s.io/v1","rv":1}').decode()])
async def test_a_token_that_is_none_is_a_bad_request(api, token):
    await api.must_refuse(400, "GET", f"{CONFIGMAPS}?limit=1&continue={token}")


async def test_selectors_narrow_a_list(api, five):
    assert names(await api.must_do("GET", f"{CONFIGMAPS}?labelSelector=is_vowel%3Dtrue")) == ["a", "e"]
    assert names(await api.must_do("GET", f"{CONFIGMAPS}?labelSelector=is_vowel+notin+(true)")) == ["b", "c", "d"]
    assert names(await api.must_do("GET", f"{CONFIGMAPS}?fieldSelector=metadata.name!%3Da,metadata.name!%3Db")) == [
        "c",
        "d",
        "e",
    ]
    assert names(await api.must_do("GET", "/api/v1/configmaps?fieldSelector=metadata.namespace%3Dkube-system")) == []
    await api.must_refuse(400, "GET", f"{CONFIGMAPS}?labelSelector=((")
    status = await api.must_refuse(400, "GET", f"{CONFIGMAPS}?fieldSelector=spec.x%3D1")
    assert "field label not supported: spec.x" in status["message"]


async def test_a_revision_to_come_is_a_timeout_that_clients_try_again(api):
    status = await api.must_refuse(504, "GET", f"{CONFIGMAPS}?resourceVersion=999999")
    assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert status["details"]["retryAfterSeconds"] == 1


async def test_an_exact_revision_shows_the_past(api, five):
    version = (await api.must_do("GET", CONFIGMAPS))["metadata"]["resourceVersion"]
    await make(api, "f")
    past = await api.must_do("GET", f"{CONFIGMAPS}?resourceVersion={version}&resourceVersionMatch=Exact")
    assert names(past) == list("abcde")
    now = await api.must_do("GET", f"{CONFIGMAPS}?resourceVersion={version}&resourceVersionMatch=NotOlderThan")
    assert names(now) == list("abcdef")
    await api.must_refuse(422, "GET", f"{CONFIGMAPS}?resourceVersionMatch=Exact")


async def test_tables_have_columns_and_cells(api, five):
    table = await api.must_do("GET", CONFIGMAPS, accept=f"{TABLE},application/json")
    assert table["kind"] == "Table" and table["apiVersion"] == "meta.k8s.io/v1"
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert [row["cells"][0] for row in table["rows"]] == list("abcde")
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    whole = await api.must_do("GET", f"{CONFIGMAPS}/a?includeObject=Object", accept=TABLE)
    assert whole["rows"][0]["object"]["kind"] == "ConfigMap"


async def test_metadata_alone_can_be_asked_for(api, five):
    one = await api.must_do("GET", f"{CONFIGMAPS}/a", accept=METADATA)
    assert one["kind"] == "PartialObjectMetadata" and set(one) == {"kind", "apiVersion", "metadata"}
    many = await api.must_do("GET", CONFIGMAPS, accept=METADATA_LIST)
    assert many["kind"] == "PartialObjectMetadataList" and len(many["items"]) == 5


async def test_protobuf_first_falls_back_and_protobuf_alone_is_not_acceptable(api, five):
    protobuf = "application/vnd.kubernetes.protobuf"
    answer = await api.answer("GET", CONFIGMAPS, accept=f"{protobuf},application/json")
    assert answer.headers["Content-Type"] == "application/json"
    assert (await api.answer("GET", CONFIGMAPS, accept=protobuf)).status == 406


async def test_yaml_and_pretty_json(api, five):
    answer = await api.answer("GET", f"{CONFIGMAPS}/a", accept="application/yaml")
    assert ryaml.loads(answer.body.decode())["metadata"]["name"] == "a"
    answer = await api.answer("GET", f"{CONFIGMAPS}/a?pretty=true")
    assert b'\n  "metadata"' in answer.body


async def test_a_watch_goes_on_where_the_list_ended(api, five):
    version = (await api.must_do("GET", CONFIGMAPS))["metadata"]["resourceVersion"]
    media = "application/merge-patch+json"
    await api.must_do("PATCH", f"{CONFIGMAPS}/a", {"data": {"k": "v"}}, media=media)
    await make(api, "f")
    await api.must_do("DELETE", f"{CONFIGMAPS}/f")
    events = await api.events(f"{CONFIGMAPS}?watch=true&resourceVersion={version}", 3)
    assert [(one["type"], one["object"]["metadata"]["name"]) for one in events] == [
        ("MODIFIED", "a"),
        ("ADDED", "f"),
        ("DELETED", "f"),
    ]


async def test_a_watch_without_a_revision_begins_with_what_is_there(api, five):
    events = await api.events(f"{CONFIGMAPS}?watch=1&resourceVersion=0", 5)
    assert {one["type"] for one in events} == {"ADDED"}
    named = await api.events("/api/v1/watch/namespaces/default/configmaps/b?resourceVersion=0", 1)
    assert [one["object"]["metadata"]["name"] for one in named] == ["b"]


async def test_streamed_lists_end_with_their_bookmark(api, five):
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    events = await api.events(f"{CONFIGMAPS}?{query}", 6)
    assert events[-1]["type"] == "BOOKMARK"
    metadata = events[-1]["object"]["metadata"]
    assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(metadata["resourceVersion"]) == api.store.version
    await api.must_refuse(422, "GET", f"{CONFIGMAPS}?watch=1&sendInitialEvents=true")


async def test_a_document_that_stops_matching_is_deleted_for_that_watch(api, five):
    version = api.store.version
    media = "application/merge-patch+json"
    await api.must_do("PATCH", f"{CONFIGMAPS}/a", {"metadata": {"labels": {"is_vowel": "no"}}}, media=media)
    await api.must_do("PATCH", f"{CONFIGMAPS}/b", {"metadata": {"labels": {"is_vowel": "true"}}}, media=media)
    events = await api.events(f"{CONFIGMAPS}?watch=1&resourceVersion={version}&labelSelector=is_vowel%3Dtrue", 2)
    assert [(one["type"], one["object"]["metadata"]["name"]) for one in events] == [("DELETED", "a"), ("ADDED", "b")]
    assert events[0]["object"]["metadata"]["labels"] == {"is_vowel": "true"}
    assert int(events[0]["object"]["metadata"]["resourceVersion"]) == version + 1


async def test_a_watch_from_a_forgotten_revision_says_gone_as_its_first_event(api, five):
    await api.store.compact(api.store.version)
    await make(api, "f")
    events = await api.events(f"{CONFIGMAPS}?watch=1&resourceVersion=2", 1)
    assert events[0]["type"] == "ERROR" and events[0]["object"]["code"] == 410
    assert events[0]["object"]["reason"] == "Expired"


async def test_a_watch_ends_when_its_time_is_up(api, five):
    answer = await api.answer("GET", f"{CONFIGMAPS}?watch=1&timeoutSeconds=1&resourceVersion={api.store.version}")
    async with asyncio.timeout(5):
        assert [chunk async for chunk in answer.body if chunk] == []


async def test_table_watches_send_their_columns_once(api, five):
    events = await api.events(f"{CONFIGMAPS}?watch=1&resourceVersion=0", 5, accept=TABLE)
    assert len(events[0]["object"]["columnDefinitions"]) == 3
    assert not events[1]["object"].get("columnDefinitions")


async def test_watchers_of_one_event_share_its_bytes(api, five):
    version = api.store.version
    await make(api, "f")
    lines = []
    for _ in range(2):
        answer = await api.answer("GET", f"{CONFIGMAPS}?watch=1&resourceVersion={version}")
        async for chunk in answer.body:
            if chunk:
                lines.append(chunk)
                break
        await answer.body.aclose()
    assert lines[0] == lines[1]
    assert msgspec.json.decode(lines[0])["type"] == "ADDED"


async def test_events_are_served_in_both_groups(api):
    about = {"kind": "Pod", "name": "p", "namespace": "default", "apiVersion": "v1"}
    value = {"metadata": {"name": "e"}, "involvedObject": about, "message": "hello", "reason": "R", "type": "Normal"}
    await api.must_do("POST", "/api/v1/namespaces/default/events", value)
    other = await api.must_do("GET", "/apis/events.k8s.io/v1/namespaces/default/events/e")
    assert other["note"] == "hello" and other["regarding"]["name"] == "p" and other["apiVersion"] == "events.k8s.io/v1"
    listing = await api.must_do("GET", "/api/v1/events?fieldSelector=involvedObject.name%3Dp,reason%3DR")
    assert len(listing["items"]) == 1


async def test_autoscalers_are_served_in_both_versions(api):
    spec = {
        "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 50,
        "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
    }
    path = "namespaces/default/horizontalpodautoscalers"
    await api.must_do("POST", f"/apis/autoscaling/v1/{path}", {"metadata": {"name": "h"}, "spec": spec})
    second = await api.must_do("GET", f"/apis/autoscaling/v2/{path}/h")
    assert second["spec"]["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 50}
    first = await api.must_do("GET", f"/apis/autoscaling/v1/{path}/h")
    assert first["spec"]["targetCPUUtilizationPercentage"] == 50 and first["apiVersion"] == "autoscaling/v1"
    media = "application/merge-patch+json"
    await api.must_do("PATCH", f"/apis/autoscaling/v1/{path}/h", {"spec": {"maxReplicas": 9}}, media=media)
    assert (await api.must_do("GET", f"/apis/autoscaling/v2/{path}/h"))["spec"]["maxReplicas"] == 9


async def test_nodes_are_selected_by_whether_they_take_pods(api):
    await api.must_do("POST", "/api/v1/nodes", {"metadata": {"name": "n"}})
    query = "/api/v1/nodes?fieldSelector=spec.unschedulable%3D"
    assert [one["metadata"]["name"] for one in (await api.must_do("GET", query + "false"))["items"]] == ["n"]
    assert (await api.must_do("GET", query + "true"))["items"] == []


async def test_events_are_selected_by_the_names_of_their_group(api):
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    event = {"metadata": {"name": "e"}, "regarding": about, "eventTime": "2026-01-01T00:00:00.000000Z"}
    event |= {"reportingController": "c", "reportingInstance": "i", "action": "a", "reason": "r", "type": "Normal"}
    path = "/apis/events.k8s.io/v1/namespaces/default/events"
    await api.must_do("POST", path, event)
    for selector in ("reportingController%3Dc", "regarding.name%3Dp,reason%3Dr", "type%3DNormal"):
        assert len((await api.must_do("GET", f"{path}?fieldSelector={selector}"))["items"]) == 1
    assert (await api.must_do("GET", f"{path}?fieldSelector=regarding.name%3Dq"))["items"] == []
