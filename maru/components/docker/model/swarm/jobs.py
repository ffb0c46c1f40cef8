"""Tasks of jobs: each place is to be completed once in an iteration, so many at a time.

Source: Docker's documentation, `docker service create --mode replicated-job`; moby/swarmkit, jobs.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.docker.model.swarm.moves import Move, NewTask
from maru.components.docker.model.swarm.placement import NodeFacts, is_suited
from maru.components.docker.model.swarm.specs import mode_of
from maru.components.docker.model.swarm.tasks import Task
from maru.core.document import Value

Steps = tuple[list[NewTask], list[Move], list[str]]


def plan_job(spec: Value, tasks: Sequence[Task], nodes: Sequence[NodeFacts], iteration: int) -> Steps:
    """Tasks to make, to want otherwise, to forget."""
    create: list[NewTask] = []
    move: list[Move] = []
    drop: list[str] = []
    mine = [task for task in tasks if task.iteration == iteration]
    for task in tasks:
        if task.iteration != iteration:
            if task.desired != "remove":
                move.append(Move(task.id, "remove"))
            if task.is_over or not task.node:
                drop.append(task.id)
    places, at_once = _places(spec, nodes)
    open_places, busy = [], 0
    for place in places:
        own = [task for task in mine if task.place == place]
        if any(task.state == "complete" for task in own):
            continue
        if any(task.is_wanted and not task.is_over for task in own):
            busy += 1
            continue
        move += [Move(task.id, "shutdown") for task in own if task.is_wanted]
        if _is_tried_again(spec, own):
            open_places.append(place)
    create += [NewTask(place, "complete", None) for place in open_places[: max(at_once - busy, 0)]]
    return create, move, drop


def _places(spec: Value, nodes: Sequence[NodeFacts]) -> tuple[Sequence[str], int]:
    if mode_of(spec) == "GlobalJob":
        suited = [node.id for node in nodes if is_suited(node, spec["TaskTemplate"])]
        return suited, len(suited)
    job = spec["Mode"]["ReplicatedJob"]
    total = int(job.get("TotalCompletions") or 0)
    return [str(number + 1) for number in range(total)], int(job.get("MaxConcurrent") or 0) or total


def _is_tried_again(spec: Value, own: Sequence[Task]) -> bool:
    policy = spec["TaskTemplate"].get("RestartPolicy") or {}
    if own and str(policy.get("Condition") or "on-failure") == "none":
        return False
    most = int(policy.get("MaxAttempts") or 0)
    return not most or len(own) <= most
