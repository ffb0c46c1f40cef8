"""HorizontalPodAutoscalers: how many replicas a target has goes by what its Pods use.

Each is looked at when its spec changes and every `autoscaler_sync_s`. What was recommended and done
lately is kept in memory, as the real controller does: after a restart the windows begin anew.
Source: k8s.io/kubernetes/pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from maru.components.workloads.config import WorkloadsConfig
from maru.components.workloads.controllers.kit import NORMAL, WARNING, Controller, Kit
from maru.components.workloads.model.autoscaler_rates import Bounds, Past, scaled
from maru.components.workloads.model.autoscaler_usage import Figure, Rules, Target, propose
from maru.components.workloads.model.autoscalers import (
    ABLE,
    ACTIVE,
    GOT_SCALE,
    NO_SELECTOR,
    Metric,
    Plan,
    failed,
    measured,
    new_status,
    plan,
    target_of,
    with_conditions,
)
from maru.components.workloads.model.values import Place, place_of, with_status
from maru.contracts.kinds_served import KindsServed
from maru.contracts.usage import PodUsage, UsageSource
from maru.core.clock import Clock, parse_rfc3339
from maru.core.document import Document, Resource, Value
from maru.core.errors import Conflict, Invalid, MaruError, NotFound, Unavailable
from maru.kinds.quantity import parse
from maru.kinds.resources import HORIZONTALPODAUTOSCALERS, PODS

_SHARED_S = 1.0  # the figures of all Pods are asked for at most this often
_NANO_PER_MILLI = 1_000_000
_MILLI = 1000
_CPU, _MEMORY = "cpu", "memory"


class HorizontalPodAutoscalers(Controller):
    """Scales targets of any kind through their scale subresource."""

    name = "horizontal-pod-autoscaler"

    def __init__(self, kit: Kit, kinds: KindsServed, usage: UsageSource, config: WorkloadsConfig) -> None:
        super().__init__(kit)
        self._kinds = kinds
        self._config = config
        self._figures = _Figures(usage, kit.clock)
        self._past: dict[Place, Past] = {}
        self._selected: dict[Place, frozenset[str]] = {}  # the Pods found last, of each autoscaler
        self._scalers = self.informer(HORIZONTALPODAUTOSCALERS)
        self._scalers.on_change(self._changed)

    async def bring_right(self, place: Place) -> float | None:
        document = self._scalers.get(*place)
        if document is None:
            for memory in (self._past, self._selected):
                memory.pop(place, None)
            return None
        await self._look(place, document.value)
        return self._config.autoscaler_sync_s

    def _changed(self, new: Document | None, old: Document | None) -> None:
        """In line when it is new, gone or wants something else; its own status is no news."""
        document = new if new is not None else old
        if document is None or (new is not None and old is not None and new.value["spec"] == old.value["spec"]):
            return
        self.loop.add((document.key.namespace, document.key.name))

    async def _look(self, place: Place, scaler: Value) -> None:
        try:
            resource = self._resource(scaler["spec"]["scaleTargetRef"])
            scale = await self.client.get(
                resource, place[0], scaler["spec"]["scaleTargetRef"]["name"], subresource="scale"
            )
        except MaruError as error:
            text = _text(error)
            self._selected.pop(place, None)
            self.event(scaler, WARNING, "FailedGetScale", text)
            why = f"the HPA controller was unable to get the target's current scale: {text}"
            conditions = self._with(scaler, {ABLE: (False, ("FailedGetScale", why))})
            await self._report(scaler, {**(scaler.get("status") or {}), "conditions": conditions})
            return
        current = int((scale.get("spec") or {}).get("replicas") or 0)
        spec = scaler["spec"]
        window_s = self._config.autoscaler_downscale_window_s
        least = spec.get("minReplicas", 1)
        bounds = Bounds(1 if least is None else int(least), int(spec["maxReplicas"]), spec.get("behavior"), window_s)
        metrics: Sequence[Metric] = ()
        refusal = None
        if (current != 0 or bounds.least == 0) and bounds.least <= current <= bounds.most:
            metrics, refusal = await self._metrics(place, scaler, scale, current)
        now_s = self.clock.monotonic_s()
        if refusal is not None:
            self.event(scaler, WARNING, *refusal)
            want = Plan(None, "", {ACTIVE: (False, refusal)}, self._past.get(place, Past()), refusal[1], is_void=True)
        else:
            want = plan(current, bounds, metrics, self._past.get(place, Past()), now_s)
        self._past[place] = want.past
        await self._carry_out(scaler, resource, scale, want, metrics)
        if want.replicas is not None:
            self._past[place] = scaled(current, want.replicas, bounds, want.past, now_s)

    async def _carry_out(
        self, scaler: Value, resource: Resource, scale: Value, want: Plan, metrics: Sequence[Metric]
    ) -> None:
        """Scale if that is wanted, tell what failed, and write the status."""
        for metric in metrics:
            if metric.failure is not None:
                self.event(scaler, WARNING, metric.failure.reason, metric.failure.why)
        current = int((scale.get("spec") or {}).get("replicas") or 0)
        said = {ABLE: (True, GOT_SCALE), **want.conditions}
        desired, error = current, None
        if want.is_void:
            self.event(scaler, WARNING, "FailedComputeMetricsReplicas", want.error)
            desired = int((scaler.get("status") or {}).get("desiredReplicas") or 0)
        elif want.replicas is not None:
            desired = want.replicas
            what = f"New size: {desired}; reason: {want.reason}"
            try:
                wanted = {**scale, "spec": {"replicas": desired}}
                await self.client.update(resource, wanted, subresource="scale")
            except MaruError as caught:
                error, desired = caught, int((scaler.get("status") or {}).get("desiredReplicas") or 0)
                text = _text(caught)
                self.event(scaler, WARNING, "FailedRescale", f"{what}; error: {text}")
                why = f"the HPA controller was unable to update the target scale: {text}"
                said[ABLE] = (False, ("FailedUpdateScale", why))
            else:
                self.event(scaler, NORMAL, "SuccessfulRescale", what)
                why = f"the HPA controller was able to update the target scale to {desired}"
                said[ABLE] = (True, ("SucceededRescale", why))
        scaled_at = self.clock.now() if want.replicas is not None and error is None else None
        conditions = self._with(scaler, said)
        await self._report(scaler, new_status(scaler, (current, desired), metrics, conditions, scaled_at))
        if error is not None:
            raise error

    async def _metrics(
        self, place: Place, scaler: Value, scale: Value, current: int
    ) -> tuple[Sequence[Metric], tuple[str, str] | None]:
        """What each metric of the spec says, or (reason, why) none can be asked."""
        selector = (scale.get("status") or {}).get("selector") or ""
        if not selector:
            return (), NO_SELECTOR
        try:
            found = await self.client.list(PODS, place[0], labels=selector)
        except Invalid as error:
            why = f"couldn't convert selector into a corresponding internal selector object: {_text(error)}"
            return (), ("InvalidSelector", why)
        pods = [document.value for document in found.documents]
        others = self._others(place, frozenset(pod["metadata"]["uid"] for pod in pods))
        if others:
            names = " ".join(f"{namespace}/{name}" for namespace, name in others)
            why = f"pods by selector {selector} are controlled by multiple HPAs: [{names}]"
            return (), ("AmbiguousSelector", why)
        usage = await self._figures.fetch(place[0])
        return [
            self._said(metric, pods, usage, current, scaler) for metric in scaler["spec"].get("metrics") or ()
        ], None

    def _said(
        self, metric: Value, pods: Sequence[Value], usage: dict[str, PodUsage], current: int, scaler: Value
    ) -> Metric:
        target = None
        try:
            target = target_of(metric)
            figures = _of_target(target, pods, usage)
            return measured(metric, target, propose(current, target, pods, figures, self._rules(scaler)))
        except MaruError as error:
            return failed(metric, target, error.why)

    def _rules(self, scaler: Value) -> Rules:
        config, behavior = self._config, scaler["spec"].get("behavior") or {}
        up, down = (_tolerance(behavior.get(side), config.autoscaler_tolerance) for side in ("scaleUp", "scaleDown"))
        initialization_s, readiness_s = config.autoscaler_cpu_initialization_s, config.autoscaler_initial_readiness_s
        return Rules(self.clock.now(), up, down, initialization_s, readiness_s)

    def _others(self, place: Place, uids: frozenset[str]) -> list[Place]:
        """All autoscalers that scale by some of these Pods, if there are others than this one."""
        self._selected[place] = uids
        shared = [each for each, theirs in self._selected.items() if theirs & uids]
        return sorted(shared) if len(shared) > 1 else []

    def _resource(self, reference: Value) -> Resource:
        group = str(reference.get("apiVersion") or "v1").rpartition("/")[0]
        for resource in self._kinds.resources():
            if (resource.group, resource.kind) == (group, reference["kind"]):
                return resource
        called = f'no matches for kind "{reference["kind"]}" in version "{reference.get("apiVersion") or "v1"}"'
        raise NotFound(what="", why=f"unable to determine resource for scale target reference: {called}")

    def _with(self, scaler: Value, said: dict[str, tuple[bool, tuple[str, str]]]) -> list[Value]:
        conditions = list((scaler.get("status") or {}).get("conditions") or ())
        return with_conditions(conditions, said, self.clock.now())

    async def _report(self, scaler: Value, status: Value) -> None:
        if status == scaler.get("status"):
            return
        namespace, name = place_of(scaler)
        try:
            await self.client.update(HORIZONTALPODAUTOSCALERS, with_status(scaler, status), subresource="status")
        except NotFound:
            return
        except Conflict:  # somebody changed it meanwhile; what was found out holds all the same
            await self.client.patch(HORIZONTALPODAUTOSCALERS, namespace, name, {"status": status}, subresource="status")


class _Figures:
    """What all Pods use, asked for once for all autoscalers that look at the same time."""

    def __init__(self, usage: UsageSource, clock: Clock) -> None:
        self._usage = usage
        self._clock = clock
        self._lock = asyncio.Lock()
        self._at_s = float("-inf")
        self._pods: dict[str, dict[str, PodUsage]] = {}

    async def fetch(self, namespace: str) -> dict[str, PodUsage]:
        """By name, of one namespace; at most _SHARED_S old."""
        async with self._lock:
            if self._clock.monotonic_s() - self._at_s > _SHARED_S:
                pods: dict[str, dict[str, PodUsage]] = {}
                for node in await self._usage.measure():
                    for pod in node.pods:
                        pods.setdefault(pod.namespace, {})[pod.name] = pod
                self._pods, self._at_s = pods, self._clock.monotonic_s()
        return self._pods.get(namespace, {})


def _of_target(target: Target, pods: Sequence[Value], usage: dict[str, PodUsage]) -> dict[str, Figure]:
    """The figures of those of `pods` that have some. Raises Unavailable when none has."""
    figures: dict[str, Figure] = {}
    mine = [usage[pod["metadata"]["name"]] for pod in pods if pod["metadata"]["name"] in usage]
    for used in mine if target.resource in (_CPU, _MEMORY) else ():
        parts = [part for part in used.containers if target.container in ("", part.name)]
        if target.container and not parts:
            why = f"container {target.container} not present in metrics for pod {used.namespace}/{used.name}"
            raise Unavailable(what="", why=f"failed to get container metrics: {why}")
        if target.resource == _CPU:
            milli = sum(-(-part.cpu_nanocores // _NANO_PER_MILLI) for part in parts)
        else:
            milli = sum(part.memory_bytes * _MILLI for part in parts)
        figures[used.name] = Figure(milli, parse_rfc3339(used.taken_at), used.window_s)
    if not figures:
        why = "no metrics returned from resource metrics API"
        raise Unavailable(what="", why=f"unable to get metrics for resource {target.resource}: {why}")
    return figures


def _tolerance(rules: Value | None, default: float) -> float:
    own = (rules or {}).get("tolerance")
    return parse(own).nano / 1e9 if own is not None else default


def _text(error: MaruError) -> str:
    message = error.details.get("message")
    return str(message) if message else f"{error.what}: {error.why}" if error.what else error.why
