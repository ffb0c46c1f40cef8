"""pods/eviction: a delete that asks the Pod's disruption budget first.

Source: k8s.io/kubernetes/pkg/registry/core/pod/storage/eviction.go; policy/v1 PodDisruptionBudget.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from maru.components.apiserver.api.subresources.binding import SUCCESS
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.components.apiserver.engine.verbs.removal import remove
from maru.components.apiserver.errors import bad_request, conflict, denied, not_found
from maru.components.apiserver.model.options import RemoveOptions
from maru.core.clock import rfc3339
from maru.core.document import Document, Value, key_of
from maru.core.errors import Broken, Conflict, NotFound, Throttled
from maru.core.store.interface import Change
from maru.kinds.label_selector import from_selector
from maru.kinds.resources import PODDISRUPTIONBUDGETS, PODS

DISRUPTED_PODS_MAX = 2000
_TRIES_MAX = 20
_VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
_RETRY_S = 10


class Evictions:
    """Evicts Pods. `pods`: the served kind's Call is made from."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def evict(self, call: Call, value: Value) -> Value:
        """POST of an Eviction. Raises Throttled (429) while the budget does not allow it."""
        if value["metadata"].get("name") not in (None, "", call.name):
            raise bad_request("name in URL does not match name in Eviction object")
        key = key_of(PODS, call.namespace, call.name)
        current = self._house.store.get(key)
        if current is None:
            raise not_found(PODS, call.name)
        how = _options(value, dry_run=call.options.dry_run)
        if not _is_free(current.value):
            await self._ask_budget(call, current, dry_run=how.dry_run)
            if not how.dry_run:
                how = await self._tell_why(call, how)
        pods = self._house.catalog.of(PODS)
        assert pods is not None, "Pods are built in"
        await remove(
            self._house.admitting_all(), Call(call.caller, pods, call.namespace, call.name, warnings=call.warnings), how
        )
        return SUCCESS

    async def _ask_budget(self, call: Call, pod: Document, *, dry_run: bool) -> None:
        for _ in range(_TRIES_MAX):
            budgets = self._budgets(call.namespace, pod.metadata.get("labels") or {})
            if not budgets:
                return
            if len(budgets) > 1:
                message = (
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
                )
                raise Broken(what=message, why="", message=message)
            budget = budgets[0]
            if _is_sick_and_free(pod.value, budget.value):
                return
            changed = _decremented(budget, call.name, rfc3339(self._house.clock.now()))
            if dry_run:
                return
            try:
                async with self._house.locks.hold(budget.key):
                    await self._house.store.write([Change(budget.key, changed, budget.version)])
            except Conflict:
                continue
            return
        raise _refused("the disruption budget changes too fast", _RETRY_S)

    async def _tell_why(self, call: Call, how: RemoveOptions) -> RemoveOptions:
        """Write the Pod's DisruptionTarget condition, which Jobs and people go by; answers how to delete it then."""
        key = key_of(PODS, call.namespace, call.name)
        for _ in range(_TRIES_MAX):
            async with self._house.locks.hold(key):
                current = self._house.store.get(key)
                if current is None:
                    raise not_found(PODS, call.name)
                if how.version and how.version != str(current.version):
                    return how  # the delete will refuse
                changed = _targeted(current, rfc3339(self._house.clock.now()))
                try:
                    await self._house.store.write([Change(key, changed, current.version)])
                except Conflict:
                    continue
                except NotFound as error:
                    raise not_found(PODS, call.name) from error
                return replace(how, version="")
        raise conflict(PODS, call.name)

    def _budgets(self, namespace: str, labels: Value) -> list[Document]:
        found = self._house.store.list(PODDISRUPTIONBUDGETS.storage, namespace).documents
        return [one for one in found if from_selector((one.value.get("spec") or {}).get("selector")).matches(labels)]


def _targeted(pod: Document, now: str) -> Value:
    value: Value = msgspec.json.decode(pod.body)
    status = value.setdefault("status", {})
    entry = {
        "type": "DisruptionTarget",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": now,
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    others = [one for one in status.get("conditions") or () if one.get("type") != entry["type"]]
    status["conditions"] = [*others, entry]
    return value


def _options(value: Value, *, dry_run: bool) -> RemoveOptions:
    asked = value.get("deleteOptions") or {}
    preconditions = asked.get("preconditions") or {}
    return RemoveOptions(
        dry_run=dry_run or bool(asked.get("dryRun")),
        grace_s=asked.get("gracePeriodSeconds"),
        propagation=asked.get("propagationPolicy") or "",
        uid=preconditions.get("uid") or "",
        version=preconditions.get("resourceVersion") or "",
    )


def _is_free(pod: Value) -> bool:
    """Whether no budget counts the Pod: it has ended, is going, or never ran."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or bool(pod["metadata"].get("deletionTimestamp"))


def _is_sick_and_free(pod: Value, budget: Value) -> bool:
    """Whether a Pod that is not ready may go without being counted."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    if any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions):
        return False
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired = int(status.get("desiredHealthy") or 0)
    return desired > 0 and int(status.get("currentHealthy") or 0) >= desired


def _decremented(budget: Document, pod: str, now: str) -> Value:
    """The budget with this disruption counted. Raises Throttled or Denied if there is none left."""
    value: Value = msgspec.json.decode(budget.body)
    status = value.setdefault("status", {})
    name = budget.key.name
    if int(status.get("observedGeneration") or 0) < int(value["metadata"].get("generation") or 0):
        raise _refused(f"The disruption budget {name} is still being processed by the server.", _RETRY_S)
    allowed = int(status.get("disruptionsAllowed") or 0)
    if allowed < 0:
        raise denied(PODDISRUPTIONBUDGETS, name, "pdb disruptions allowed is negative")
    disrupted = status.setdefault("disruptedPods", {})
    if len(disrupted) > DISRUPTED_PODS_MAX:
        raise denied(
            PODDISRUPTIONBUDGETS, name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        )
    if allowed == 0:
        raise _refused(
            f"The disruption budget {name} needs {status.get('desiredHealthy', 0)} healthy pods "
            f"and has {status.get('currentHealthy', 0)} currently"
        )
    status["disruptionsAllowed"] = allowed - 1
    disrupted[pod] = now
    return value


def _refused(why: str, retry_after_s: int = 0) -> Throttled:
    """`retry_after_s` 0: nobody can tell when, so clients are not told to wait."""
    causes = [{"reason": "DisruptionBudget", "message": why}]
    return Throttled(what=_VIOLATES, why=why, message=_VIOLATES, causes=causes, retry_after_s=retry_after_s)
