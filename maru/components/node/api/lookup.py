"""Finding the Pod and the container that a path names, with the kubelet's words when there is none."""

from __future__ import annotations

from maru.components.node.controllers.pod_worker import PodWorker
from maru.components.node.controllers.pods import Pods
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.model.view import Attempt, Container, containers_of
from maru.core.document import Value
from maru.core.errors import Invalid, NotFound

_PULL_REASONS = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull")


def find_pod(pods: Pods, parts: dict[str, str]) -> PodWorker:
    """By namespace, name and perhaps uid. Raises NotFound."""
    worker = pods.find(parts["namespace"], parts["pod"], parts.get("uid", ""))
    if worker is None:
        raise NotFound(what=f'pod "{parts["namespace"]}/{parts["pod"]}"', why="not found", fix="")
    return worker


def find_container(worker: PodWorker, name: str) -> Container:
    """By name; the first one when no name is given. Raises NotFound."""
    containers = containers_of(worker.pod)
    for container in containers:
        if container.name == name:
            return container
    pod_name = worker.pod["metadata"]["name"]
    raise NotFound(what=f'container "{name}"', why=f'not found in pod "{pod_name}"', fix="")


def running_attempt(workshop: Workshop, worker: PodWorker, name: str) -> Attempt:
    """Raises NotFound when the container does not run."""
    find_container(worker, name)
    for attempt in worker.memory.attempts(workshop).get(name, ()):
        if attempt.is_running:
            return attempt
    raise NotFound(what=f'container not found ("{name}")', why="it is not running", fix="")


def logged_attempt(workshop: Workshop, worker: PodWorker, name: str, *, previous: bool) -> Attempt:
    """The attempt whose log is asked for. Raises Invalid (a 400) when there is none yet or none any more."""
    find_container(worker, name)
    attempts = worker.memory.attempts(workshop).get(name, [])
    pod_name = worker.pod["metadata"]["name"]
    if previous:
        # In back-off the newest has ended too: it is the previous one of the attempt to come.
        before = attempts if _is_waiting(worker, name) else attempts[1:]
        ended = [attempt for attempt in before if attempt.is_exited]
        if not ended:
            raise Invalid(what=f'previous terminated container "{name}" in pod "{pod_name}" not found', why="", fix="")
        return ended[0]
    for attempt in attempts:
        if not attempt.id.startswith("-") and (attempt.is_running or attempt.is_exited):
            return attempt
    reason = _waiting_reason(worker, name)
    raise Invalid(what=f'container "{name}" in pod "{pod_name}" is waiting to start: {reason}', why="", fix="")


def _is_waiting(worker: PodWorker, name: str) -> bool:
    return "waiting" in _state_of(worker, name)


def _waiting_reason(worker: PodWorker, name: str) -> str:
    reason = str(_state_of(worker, name).get("waiting", {}).get("reason", "ContainerCreating"))
    return "trying and failing to pull image" if reason in _PULL_REASONS else reason


def _state_of(worker: PodWorker, name: str) -> Value:
    status = worker.status or worker.pod.get("status") or {}
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for entry in status.get(field) or ():
            if entry["name"] == name:
                state: Value = entry.get("state", {})
                return state
    return {}
