"""Autoscalers follow the load, in simulated time, with Deployments, scheduler and kubelet beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from maru.components.workloads.config import WorkloadsConfig
from maru.components.workloads.controllers.horizontal_pod_autoscalers import HorizontalPodAutoscalers
from maru.core.errors import Conflict, Unavailable
from maru.kinds.resources import DEPLOYMENTS, EVENTS, HORIZONTALPODAUTOSCALERS
from tests.fakes.usage import FakeUsage
from tests.sim.world import Kinds, World, deployment, everything, roll_out

NAME = "horizontal-pod-autoscaler"


class Load:
    """millicores of load that the Pods of `web` share; each requests 100m."""

    def __init__(self, milli: int) -> None:
        self.milli = milli
        self.world = World()
        self.usage = FakeUsage(self.world.api, self._uses)

    def _uses(self, pod: dict[str, Any]) -> tuple[int, int] | None:
        return self.milli // max(1, len(self.world.pods(app="web"))), 1000

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        config = WorkloadsConfig(autoscaler_cpu_initialization_s=0)

        def build(kit: Any) -> list[Any]:
            return [*everything(kit), HorizontalPodAutoscalers(kit, Kinds(), self.usage, config)]

        async with self.world.running(build):
            yield self.world


def scaler(least: int = 1, most: int = 10, name: str = "h", target: str = "web", **spec: Any) -> dict[str, Any]:
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    metrics = [{"type": "Resource", "resource": cpu}]
    spec = {"scaleTargetRef": reference, "minReplicas": least, "maxReplicas": most, "metrics": metrics, **spec}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


async def deployed(world: World, replicas: int = 1) -> None:
    wanted = deployment(replicas=replicas)
    wanted["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100m"}}
    await world.user.create(DEPLOYMENTS, wanted)
    await roll_out(world)


def replicas(world: World) -> int:
    return int(world.get(DEPLOYMENTS, "web")["spec"]["replicas"])


def said(world: World, kind: str, name: str = "h") -> tuple[str, str]:
    conditions = world.get(HORIZONTALPODAUTOSCALERS, name)["status"]["conditions"]
    return next((each["status"], each["reason"]) for each in conditions if each["type"] == kind)


def events(world: World, reason: str) -> list[str]:
    return [each["message"] for each in world.api.all(EVENTS) if each["reason"] == reason]


async def test_replicas_follow_the_load_up_and_after_the_window_down() -> None:
    load = Load(400)
    await load.world.setup()
    async with load.running() as world:
        await deployed(world)
        await world.user.create(HORIZONTALPODAUTOSCALERS, scaler())
        assert await world.until(lambda: replicas(world) == 8, 60)
        await roll_out(world)
        await world.run(60)
        assert replicas(world) == 8
        status = world.get(HORIZONTALPODAUTOSCALERS, "h")["status"]
        assert (status["currentReplicas"], status["desiredReplicas"]) == (8, 8) and status["lastScaleTime"]
        current = {"averageUtilization": 50, "averageValue": "50m"}
        assert status["currentMetrics"] == [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
        assert events(world, "SuccessfulRescale")[0] == (
            "New size: 4; reason: cpu resource utilization (percentage of request) above target"
        )
        load.milli = 100
        await world.run(240)
        assert replicas(world) == 8 and said(world, "AbleToScale") == ("True", "ScaleDownStabilized")
        assert await world.until(lambda: replicas(world) == 2, 120, 5)
        assert "New size: 2; reason: All metrics below target" in events(world, "SuccessfulRescale")
        load.milli = 0
        assert await world.until(lambda: replicas(world) == 1, 600, 15)
        await world.run(30)
        assert said(world, "ScalingLimited") == ("True", "TooFewReplicas")


async def test_settled_autoscaler_writes_nothing() -> None:
    load = Load(100)
    await load.world.setup()
    async with load.running() as world:
        await deployed(world, 2)
        await world.user.create(HORIZONTALPODAUTOSCALERS, scaler())
        await world.run(60)
        assert said(world, "ScalingActive") == ("True", "ValidMetricFound")
        before, asked = len(world.writes()), load.usage.asked
        await world.run(300)
        assert [act for act in world.writes()[before:] if act.user.endswith(NAME)] == []
        assert load.usage.asked - asked == 20, "once every 15 s"


async def test_policies_bound_the_pace_and_short_windows_let_it_go_down_at_once() -> None:
    load = Load(1000)
    await load.world.setup()
    down = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}
    up = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}
    async with load.running() as world:
        await deployed(world)
        await world.user.create(HORIZONTALPODAUTOSCALERS, scaler(behavior={"scaleUp": up, "scaleDown": down}))
        seen = []
        for _ in range(4):
            await world.run(25)
            seen.append(replicas(world))
        assert seen == [3, 3, 5, 5]
        assert said(world, "ScalingLimited") == ("True", "ScaleUpLimit")
        assert await world.until(lambda: replicas(world) == 10, 300)
        await world.run(120)  # what came within a policy's period may go again beside what the policy lets go
        load.milli = 0
        seen = []
        for _ in range(4):
            await world.run(58)
            seen.append(replicas(world))
        assert seen == [9, 8, 7, 6]


async def test_bounds_hold_whatever_the_metrics_say() -> None:
    load = Load(0)
    await load.world.setup()
    load.usage.uses = lambda pod: None
    async with load.running() as world:
        await deployed(world)
        await world.user.create(HORIZONTALPODAUTOSCALERS, scaler(3, 5))
        assert await world.until(lambda: replicas(world) == 3, 30)
        assert "Current number of replicas below Spec.MinReplicas" in events(world, "SuccessfulRescale")[0]
        await world.change(DEPLOYMENTS, "web", replicas=9)
        assert await world.until(lambda: replicas(world) == 5, 30)
        await world.run(30)
        assert said(world, "ScalingActive") == ("False", "FailedGetResourceMetric")
        assert events(world, "FailedGetResourceMetric")[0] == (
            "failed to get cpu utilization: unable to get metrics for resource cpu: "
            "no metrics returned from resource metrics API"
        )
        assert events(world, "FailedComputeMetricsReplicas")
        await world.change(DEPLOYMENTS, "web", replicas=0)
        await world.run(30)
        assert replicas(world) == 0 and said(world, "ScalingActive") == ("False", "ScalingDisabled")


async def test_target_that_is_not_there_is_told_and_found_later() -> None:
    load = Load(50)
    await load.world.setup()
    async with load.running() as world:
        await world.user.create(HORIZONTALPODAUTOSCALERS, scaler())
        await world.run(5)
        assert said(world, "AbleToScale") == ("False", "FailedGetScale")
        odd = scaler(name="odd")
        odd["spec"]["scaleTargetRef"]["kind"] = "Nothing"
        await world.user.create(HORIZONTALPODAUTOSCALERS, odd)
        await world.run(5)
        assert any(
            'no matches for kind "Nothing" in version "apps/v1"' in each for each in events(world, "FailedGetScale")
        )
        await deployed(world)
        await world.run(30)
        assert said(world, "AbleToScale") == ("True", "ReadyForNewScale")


async def test_two_autoscalers_of_the_same_pods_are_refused_until_one_goes() -> None:
    load = Load(400)
    await load.world.setup()
    async with load.running() as world:
        await deployed(world, 2)
        load.milli = 100
        for name in ("h", "i"):
            await world.user.create(HORIZONTALPODAUTOSCALERS, scaler(name=name))
        await world.run(40)
        assert said(world, "ScalingActive", "i") == said(world, "ScalingActive") == ("False", "AmbiguousSelector")
        await world.user.delete(HORIZONTALPODAUTOSCALERS, "default", "i")
        await world.run(20)
        assert said(world, "ScalingActive") == ("True", "ValidMetricFound")


@pytest.mark.parametrize("error", [Conflict, Unavailable])
async def test_rescale_that_fails_is_told_and_tried_again(error: type[Conflict] | type[Unavailable]) -> None:
    load = Load(50)
    await load.world.setup()
    async with load.running() as world:
        await deployed(world)
        await world.user.create(HORIZONTALPODAUTOSCALERS, scaler())
        await world.run(20)
        before = len(world.api.acts)
        load.milli = 400
        acting_as = world.api.act

        def act(user: str, verb: str, key: Any, subresource: str = "") -> None:
            if subresource == "scale" and not any(each.subresource == "scale" for each in world.api.acts[before:]):
                world.api.fail_next(error(what="deployment", why="not now"))
            acting_as(user, verb, key, subresource)

        world.api.act = act  # type: ignore[method-assign]
        assert await world.until(lambda: replicas(world) >= 4, 60)
        assert "error: deployment: not now" in events(world, "FailedRescale")[0]
