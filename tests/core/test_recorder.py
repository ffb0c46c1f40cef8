"""Events as the real recorder writes them: counted, combined, held back, never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from maru.core.errors import Denied, Unavailable
from maru.core.ids import SeededIds
from maru.core.limits import EVENT_QUEUE_MAX
from maru.core.recorder import SPAM_BURST, SPAM_REFILL_S, Recorder
from maru.kinds.resources import EVENTS
from tests.fakes import FakeClients, FakeClock


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.api = FakeClients(self.clock)
        self.recorder = Recorder(self.api.acting_as("kubelet"), self.clock, SeededIds(1), "kubelet", "n1")

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.api.all(EVENTS)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    task = asyncio.ensure_future(stage.recorder.run())
    yield stage
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def pod(name: str = "a") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "7"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


async def test_event_has_the_fields_of_the_real_one(stage: Stage) -> None:
    stage.recorder.event(pod(), "Normal", "Started", "Started container main", field_path="spec.containers{main}")
    await stage.clock.settle()
    (event,) = stage.events
    name = event["metadata"]["name"]
    assert name.startswith("a.") and int(name.split(".")[1], 16) == int(stage.clock.now().timestamp() * 1e6) * 1000
    for server_made in ("uid", "creationTimestamp", "generation", "resourceVersion"):
        del event["metadata"][server_made]
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "default"},
        "involvedObject": {
            "kind": "Pod",
            "namespace": "default",
            "name": "a",
            "uid": "uid-a",
            "apiVersion": "v1",
            "resourceVersion": "7",
            "fieldPath": "spec.containers{main}",
        },
        "reason": "Started",
        "message": "Started container main",
        "source": {"component": "kubelet", "host": "n1"},
        "firstTimestamp": "2026-01-02T03:04:05Z",
        "lastTimestamp": "2026-01-02T03:04:05Z",
        "count": 1,
        "type": "Normal",
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": "n1",
    }


async def test_event_about_a_document_without_namespace_stands_in_default(stage: Stage) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "n1"}}
    stage.recorder.event(node, "Normal", "NodeReady", "Node n1 status is now: NodeReady")
    await stage.clock.settle()
    assert stage.events[0]["metadata"]["namespace"] == "default"
    assert "namespace" not in stage.events[0]["involvedObject"]


async def test_same_event_again_raises_the_count(stage: Stage) -> None:
    for _ in range(3):
        stage.recorder.event(pod(), "Warning", "BackOff", "Back-off restarting failed container")
        await stage.clock.advance(10.0)
    (event,) = stage.events
    assert (event["count"], event["firstTimestamp"], event["lastTimestamp"]) == (
        3,
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:25Z",
    )


async def test_event_that_expired_meanwhile_is_made_anew_with_its_count(stage: Stage) -> None:
    for _ in range(2):
        stage.recorder.event(pod(), "Warning", "BackOff", "again")
        await stage.clock.advance(1.0)
    await stage.api.remove(EVENTS, "default", stage.events[0]["metadata"]["name"])
    stage.recorder.event(pod(), "Warning", "BackOff", "again")
    await stage.clock.advance(1.0)
    (event,) = stage.events
    assert event["count"] == 3


async def test_different_messages_and_objects_are_different_events(stage: Stage) -> None:
    for name, message in (("a", "x"), ("a", "y"), ("b", "x")):
        stage.recorder.event(pod(name), "Normal", "Pulled", message)
    await stage.clock.settle()
    assert len(stage.events) == 3
    assert len({event["metadata"]["name"] for event in stage.events}) == 3


async def test_many_similar_messages_are_combined(stage: Stage) -> None:
    for number in range(15):
        stage.recorder.event(pod(), "Normal", "SuccessfulCreate", f"Created pod: a-{number}")
        await stage.clock.advance(1.0)
    messages = [event["message"] for event in stage.events]
    assert len(messages) == 10
    combined = [event for event in stage.events if event["message"].startswith("(combined from similar events): ")]
    assert [(event["count"], event["message"][-4:]) for event in combined] == [(6, "a-14")]


async def test_object_with_too_many_events_is_held_to_one_in_five_minutes(stage: Stage) -> None:
    for number in range(SPAM_BURST + 10):
        stage.recorder.event(pod(), "Normal", f"Reason{number}", "x")
    stage.recorder.event(pod("b"), "Normal", "Quiet", "x")
    await stage.clock.settle()
    assert len([event for event in stage.events if event["involvedObject"]["name"] == "a"]) == SPAM_BURST
    assert len([event for event in stage.events if event["involvedObject"]["name"] == "b"]) == 1
    assert stage.recorder.dropped == 10
    await stage.clock.advance(SPAM_REFILL_S)
    stage.recorder.event(pod(), "Normal", "Later", "x")
    stage.recorder.event(pod(), "Normal", "Later2", "x")
    await stage.clock.settle()
    assert len([event for event in stage.events if event["involvedObject"]["name"] == "a"]) == SPAM_BURST + 1


async def test_api_that_is_away_is_tried_again_and_a_refusal_is_not(stage: Stage) -> None:
    stage.api.fail_next(Unavailable(what="api", why="away"), Unavailable(what="api", why="away"))
    stage.recorder.event(pod(), "Normal", "Pulled", "x")
    await stage.clock.advance(60.0)
    assert len(stage.events) == 1
    stage.api.fail_next(Denied(what="event", why="the namespace is going away"))
    stage.recorder.event(pod("b"), "Normal", "Pulled", "x")
    stage.recorder.event(pod("c"), "Normal", "Pulled", "x")
    await stage.clock.settle()
    assert [event["involvedObject"]["name"] for event in stage.events] == ["a", "c"]


async def test_full_line_drops_and_never_waits() -> None:
    stage = Stage()
    for number in range(EVENT_QUEUE_MAX + 5):
        stage.recorder.event(pod(f"{number}"), "Normal", "Pulled", "x")
    assert stage.recorder.dropped == 5
