"""Events are forgotten an hour after they were last seen."""

from maru.components.apiserver.controllers.event_expiry import EventExpiry
from maru.core.clock import SystemClock

EVENTS = "/api/v1/namespaces/default/events"


async def test_old_events_go_and_fresh_ones_stay(api):
    about = {"kind": "Pod", "name": "p", "namespace": "default"}
    for name, seen in (("old", "2020-01-01T00:00:00Z"), ("fresh", "2999-01-01T00:00:00Z")):
        value = {
            "metadata": {"name": name},
            "involvedObject": about,
            "lastTimestamp": seen,
            "reason": "R",
            "message": "m",
        }
        await api.must_do("POST", EVENTS, value)
    assert await EventExpiry(api.store, SystemClock(), 3600).expire() == 0
    assert await EventExpiry(api.store, SystemClock(), -5).expire() == 1
    await api.must_refuse(404, "GET", f"{EVENTS}/old")
    await api.must_do("GET", f"{EVENTS}/fresh")
