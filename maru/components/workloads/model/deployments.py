"""The arithmetic of a rollout: which ReplicaSet is the new one, and how far each may go now.

Source: k8s.io/kubernetes/pkg/controller/deployment (sync, rolling, recreate) and its util package.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from maru.components.workloads.model.values import age_key, annotations_of, clone, is_controlled_by, resolve_share
from maru.core.document import Value
from maru.kinds.pod_state import is_deleting, is_terminal

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED_REPLICAS,
        MAX_REPLICAS,
        "deprecated.deployment.rollback.to",
    )
)
_HISTORY_CHARACTERS_MAX = 2000
NO_DEADLINE = 2**31 - 1

Sizes = Sequence[tuple[Value, int]]
"""ReplicaSets and the replicas each is to have."""


def replicas_of(value: Value) -> int:
    """spec.replicas, 1 when not set."""
    replicas = value["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def reported(replica_set: Value, field: str) -> int:
    """A count of its status, 0 when not set."""
    return int(replica_set.get("status", {}).get(field) or 0)


def is_rolling(deployment: Value) -> bool:
    """True for RollingUpdate, False for Recreate."""
    return str((deployment["spec"].get("strategy") or {}).get("type") or "RollingUpdate") == "RollingUpdate"


def deadline_s(deployment: Value) -> int | None:
    """progressDeadlineSeconds, None when there is none (2147483647 means so)."""
    seconds = deployment["spec"].get("progressDeadlineSeconds")
    return None if seconds is None or int(seconds) == NO_DEADLINE else int(seconds)


def fenceposts(deployment: Value) -> tuple[int, int]:
    """(surge, unavailable) as counts; never both 0 while rolling."""
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    total = replicas_of(deployment)
    surge = resolve_share(rolling.get("maxSurge"), total, round_up=True)
    unavailable = resolve_share(rolling.get("maxUnavailable"), total, round_up=False)
    return surge, (1 if surge == 0 and unavailable == 0 else unavailable)


def max_surge(deployment: Value) -> int:
    """How many Pods there may be beyond replicas."""
    return fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Value) -> int:
    """How many of the replicas may be missing."""
    total = replicas_of(deployment)
    if not is_rolling(deployment) or total == 0:
        return 0
    return min(fenceposts(deployment)[1], total)


def templates_equal(one: Value, other: Value) -> bool:
    """True when two Pod templates differ in their hash label at most."""
    return _without_hash(one) == _without_hash(other)


def find_new(deployment: Value, sets: Sequence[Value]) -> Value | None:
    """The ReplicaSet that has the deployment's template; the oldest if there are several."""
    for replica_set in sorted(sets, key=age_key):
        if templates_equal(replica_set["spec"]["template"], deployment["spec"]["template"]):
            return replica_set
    return None


def revision_of(value: Value) -> int:
    """The annotated revision, 0 when it has none."""
    try:
        return int(annotations_of(value).get(REVISION, "0"))
    except ValueError:
        return 0


def next_revision(old: Sequence[Value]) -> int:
    """One more than the highest of the old ReplicaSets."""
    return max((revision_of(replica_set) for replica_set in old), default=0) + 1


def set_annotations(deployment: Value, replica_set: Value | None, revision: int) -> dict[str, str]:
    """The annotations that the new ReplicaSet is to carry: the deployment's, its revision and its sizes."""
    annotations = dict(annotations_of(replica_set)) if replica_set is not None else {}
    copied = {key: text for key, text in annotations_of(deployment).items() if key not in _NOT_COPIED}
    annotations.update(copied)
    old = revision_of(replica_set) if replica_set is not None else 0
    if old < revision:
        if replica_set is not None and old > 0:
            _remember_revision(annotations, old)
        annotations[REVISION] = str(revision)
    if replica_set is None:
        annotations.update(size_annotations(deployment))
    return annotations


def size_annotations(deployment: Value) -> dict[str, str]:
    """What a ReplicaSet notes of the deployment's size, to scale in proportion later."""
    replicas = replicas_of(deployment)
    return {DESIRED_REPLICAS: str(replicas), MAX_REPLICAS: str(replicas + max_surge(deployment))}


def is_scaling(deployment: Value, sets: Iterable[Value]) -> bool:
    """True when an active ReplicaSet was sized for another number of replicas."""
    want = str(replicas_of(deployment))
    return any(
        annotations_of(replica_set).get(DESIRED_REPLICAS, want) != want
        for replica_set in sets
        if replicas_of(replica_set) > 0
    )


def new_replicas(deployment: Value, sets: Sequence[Value], new: Value | None) -> int:
    """How many replicas the new ReplicaSet may have now. sets: all, the new one too."""
    want = replicas_of(deployment)
    have = replicas_of(new) if new is not None else 0
    if not is_rolling(deployment) or have > want:
        return want
    total = sum(replicas_of(replica_set) for replica_set in sets)
    room = want + max_surge(deployment) - total
    if room <= 0:
        return have
    return have + min(room, want - have)


def old_sizes(deployment: Value, new: Value, old: Sequence[Value]) -> Sizes:
    """How far the old ReplicaSets may go down now: first what is broken anyway, then what availability allows."""
    sizes = {replica_set["metadata"]["name"]: replicas_of(replica_set) for replica_set in old}
    every = [*old, new]
    at_least = replicas_of(deployment) - max_unavailable(deployment)
    new_unavailable = replicas_of(new) - reported(new, "availableReplicas")
    spare = sum(replicas_of(replica_set) for replica_set in every) - at_least - new_unavailable
    if not any(sizes.values()) or spare <= 0:
        return ()
    oldest_first = sorted(old, key=age_key)
    for replica_set in oldest_first:
        name = replica_set["metadata"]["name"]
        broken = min(max(spare, 0), sizes[name] - reported(replica_set, "availableReplicas"))
        if broken > 0:
            sizes[name] -= broken
            spare -= broken
    # A status may still count Pods that its set was told to give up: they are on their way out already.
    surplus = sum(min(reported(each, "availableReplicas"), replicas_of(each)) for each in every) - at_least
    for replica_set in oldest_first:
        name = replica_set["metadata"]["name"]
        down = min(sizes[name], max(surplus, 0))
        sizes[name] -= down
        surplus -= down
    return [(each, sizes[each["metadata"]["name"]]) for each in oldest_first if _differs(each, sizes)]


def _differs(replica_set: Value, sizes: Mapping[str, int]) -> bool:
    return sizes[replica_set["metadata"]["name"]] != replicas_of(replica_set)


def proportional_sizes(deployment: Value, new: Value | None, old: Sequence[Value]) -> Sizes:
    """The sizes after the deployment's own changed: all go to one, or each its share while rolling."""
    want = replicas_of(deployment)
    every = [*old, new] if new is not None else list(old)
    active = [replica_set for replica_set in every if replicas_of(replica_set) > 0]
    if len(active) <= 1:
        only = active[0] if active else _newest(new, old)
        return [] if only is None or replicas_of(only) == want else [(only, want)]
    if new is not None and _is_saturated(deployment, new):
        return [(each, 0) for each in old if replicas_of(each) > 0]
    if not is_rolling(deployment):
        return []
    allowed = want + max_surge(deployment) if want > 0 else 0
    to_add = allowed - sum(replicas_of(replica_set) for replica_set in active)
    ordered = sorted(active, key=lambda each: (-replicas_of(each), _age_order(each, newest_first=to_add > 0)))
    shares: list[int] = []
    for replica_set in ordered:
        shares.append(_share(deployment, replica_set, to_add, sum(shares)) if to_add else 0)
    shares[0] += to_add - sum(shares) if to_add else 0
    return [(each, max(0, replicas_of(each) + share)) for each, share in zip(ordered, shares, strict=True)]


def _newest(new: Value | None, old: Sequence[Value]) -> Value | None:
    if new is not None:
        return new
    return max(old, key=age_key, default=None)


def _age_order(value: Value, *, newest_first: bool) -> tuple[float, ...]:
    created, name = age_key(value)
    characters = [float(ord(character)) for character in created + name]
    return tuple(-number for number in characters) if newest_first else tuple(characters)


def _is_saturated(deployment: Value, new: Value) -> bool:
    want = replicas_of(deployment)
    return (
        replicas_of(new) == want
        and annotations_of(new).get(DESIRED_REPLICAS) == str(want)
        and reported(new, "availableReplicas") == want
    )


def _share(deployment: Value, replica_set: Value, to_add: int, added: int) -> int:
    have = replicas_of(replica_set)
    if have == 0 or to_add == added:
        return 0
    if replicas_of(deployment) == 0:
        fraction = -have
    else:
        noted = annotations_of(replica_set).get(MAX_REPLICAS, "")
        was = int(noted) if noted.isdigit() else reported(deployment, "replicas")
        grown = replicas_of(deployment) + max_surge(deployment)
        fraction = math.floor(have * grown / was + 0.5) - have if was else 0
    left = to_add - added
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def to_clean(deployment: Value, old: Sequence[Value]) -> list[Value]:
    """The old ReplicaSets beyond revisionHistoryLimit, lowest revision first, that are truly empty."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit is None:
        return []
    alive = sorted((each for each in old if not is_deleting(each)), key=lambda each: (revision_of(each), age_key(each)))
    return [each for each in alive[: max(0, len(alive) - int(limit))] if _is_empty(each)]


def _is_empty(replica_set: Value) -> bool:
    status = replica_set.get("status", {})
    observed = int(status.get("observedGeneration") or 0)
    return (
        reported(replica_set, "replicas") == 0
        and replicas_of(replica_set) == 0
        and int(replica_set["metadata"].get("generation") or 0) <= observed
    )


def old_pods_running(new: Value | None, old: Sequence[Value], pods: Iterable[Value]) -> bool:
    """True while Recreate has to wait: something of an old ReplicaSet may still run. pods: the deployment's."""
    if sum(reported(replica_set, "replicas") for replica_set in old) > 0:
        return True
    return any(not is_terminal(pod) for pod in pods if new is None or not is_controlled_by(pod, new))


def _without_hash(template: Value) -> Value:
    copy = clone(template)
    labels = copy.get("metadata", {}).get("labels")
    if labels:
        labels.pop(HASH_LABEL, None)
    return copy


def _remember_revision(annotations: dict[str, str], old: int) -> None:
    history = [entry for entry in annotations.get(REVISION_HISTORY, "").split(",") if entry]
    history.append(str(old))
    while len(",".join(history)) > _HISTORY_CHARACTERS_MAX:
        history.pop(0)
    annotations[REVISION_HISTORY] = ",".join(history)
