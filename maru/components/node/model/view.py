"""What the node knows of a Pod at one moment: the picture that `plan` and `status` look at.

All of it is immutable and free of I/O. Containers are named by their place in the Pod; each start of
one is an attempt with an id of its own. Source: CRI v1 runtime API, ContainerStatus; the labels are
those that containerd's users know (io.kubernetes.pod.name and so on).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from maru.contracts.runtime import ContainerState, ContainerStatus
from maru.core.document import Value

LABEL_POD_NAME = "io.kubernetes.pod.name"
LABEL_POD_NAMESPACE = "io.kubernetes.pod.namespace"
LABEL_POD_UID = "io.kubernetes.pod.uid"
LABEL_CONTAINER = "io.kubernetes.container.name"
LABEL_ATTEMPT = "io.kubernetes.container.restartCount"
LABEL_SANDBOX = "dev.maru.sandbox"
LABEL_IMAGE = "dev.maru.image"  # as the Pod spells it
LABEL_IMAGE_NAME = "dev.maru.image.name"  # as the image store spells it
LABEL_IMAGE_ID = "dev.maru.image.id"
LABEL_STOP_SIGNAL = "dev.maru.stop-signal"
LABEL_GRACE = "dev.maru.grace"
LABEL_MESSAGE_PATH = "dev.maru.termination-message"
LABEL_MESSAGE_POLICY = "dev.maru.termination-message-policy"
LABEL_USER = "dev.maru.user"
LABEL_RESOURCES = "dev.maru.resources"


class Kind(StrEnum):
    """What a container is in its Pod; a sidecar is an init container with restartPolicy Always."""

    INIT = "init"
    SIDECAR = "sidecar"
    REGULAR = "regular"
    EPHEMERAL = "ephemeral"


@dataclass(frozen=True, slots=True)
class Container:
    """One container as the Pod's specification has it."""

    name: str
    kind: Kind
    spec: Value

    @property
    def field_path(self) -> str:
        """As Events name it: spec.containers{app}."""
        place = {Kind.REGULAR: "containers", Kind.EPHEMERAL: "ephemeralContainers"}.get(self.kind, "initContainers")
        return f"spec.{place}{{{self.name}}}"


def containers_of(pod: Value) -> Sequence[Container]:
    """All containers: init and sidecars in order, then regular, then ephemeral."""
    spec = pod["spec"]
    found = []
    for entry in spec.get("initContainers") or ():
        kind = Kind.SIDECAR if entry.get("restartPolicy") == "Always" else Kind.INIT
        found.append(Container(entry["name"], kind, entry))
    found += [Container(entry["name"], Kind.REGULAR, entry) for entry in spec.get("containers") or ()]
    found += [Container(entry["name"], Kind.EPHEMERAL, entry) for entry in spec.get("ephemeralContainers") or ()]
    return found


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start of a container. number: 0 for the first. Times are RFC 3339 or "".

    exit_code is set once it has exited; `reason` then is Completed, Error, OOMKilled or StartError.
    """

    id: str
    name: str
    number: int
    sandbox_id: str
    state: ContainerState
    created_at: str = ""
    started_at: str = ""
    finished_at: str = ""
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    image: str = ""
    image_name: str = ""
    image_id: str = ""
    log_path: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        return self.state in (ContainerState.RUNNING, ContainerState.PAUSED)

    @property
    def is_exited(self) -> bool:
        return self.state is ContainerState.EXITED


def attempt_of(status: ContainerStatus, message: str = "") -> Attempt:
    """The attempt that a container of the runtime is; `message` is its termination message."""
    labels = status.labels
    reason = ""
    if status.exit_code is not None:
        reason = "Completed" if status.exit_code == 0 else "Error"
        if status.oom_killed:
            reason = "OOMKilled"
        reason = status.reason or reason
    return Attempt(
        id=status.id,
        name=labels.get(LABEL_CONTAINER, ""),
        number=int(labels.get(LABEL_ATTEMPT, "0")),
        sandbox_id=labels.get(LABEL_SANDBOX, ""),
        state=status.state,
        created_at=status.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        exit_code=status.exit_code,
        reason=reason,
        message=message,
        image=labels.get(LABEL_IMAGE, ""),
        image_name=labels.get(LABEL_IMAGE_NAME, ""),
        image_id=labels.get(LABEL_IMAGE_ID, ""),
        log_path=status.log_path,
        labels=labels,
    )


@dataclass(frozen=True, slots=True)
class Health:
    """What the probes say of a running attempt. unhealthy: "" or the message to stop it with."""

    started: bool = True
    ready: bool = True
    unhealthy: str = ""
    grace_s: int | None = None  # terminationGracePeriodSeconds of the probe that failed


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container cannot be started now. retry_at_s: monotonic."""

    reason: str
    message: str
    retry_at_s: float


@dataclass(frozen=True, slots=True)
class Ending:
    """The Pod goes away. deadline_s: monotonic, when what still runs is killed.

    failed: reason and message when the Pod failed for a reason of its own (deadline, eviction).
    """

    deadline_s: float
    reason: str = ""
    message: str = ""
    is_failed: bool = False
    is_evicted: bool = False  # by the node


@dataclass(frozen=True, slots=True)
class Resize:
    """A change of resources: pending ("" for not) with its message, or on its way, with what went wrong."""

    pending: str = ""
    message: str = ""
    is_under_way: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that is there. attempts: by container name, newest first.

    waiting: containers whose last start failed or is held back; health: by container id.
    stopping: ids being stopped. allotted: resources by container name, as agreed to; actual: by container id.
    """

    now: datetime
    now_s: float
    sandbox_id: str = ""
    ips: Sequence[str] = ()
    attempts: Mapping[str, Sequence[Attempt]] = field(default_factory=dict)
    health: Mapping[str, Health] = field(default_factory=dict)
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    sandbox_retry_at_s: float = 0.0
    is_busy: bool = False
    stopping: frozenset[str] = frozenset()
    ending: Ending | None = None
    allotted: Mapping[str, Value] = field(default_factory=dict)
    actual: Mapping[str, Value] = field(default_factory=dict)
    resize: Resize = field(default_factory=Resize)

    def newest(self, name: str) -> Attempt | None:
        """The newest attempt in the present sandbox (also before there is one)."""
        for attempt in self.attempts.get(name, ()):
            if not self.sandbox_id or attempt.sandbox_id == self.sandbox_id:
                return attempt
        return None
