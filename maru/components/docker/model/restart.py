"""Whether a container that exited is started again, and when.

The wait doubles from 100 ms to a minute; a run of ten seconds begins it anew.
Source: moby restartmanager/restartmanager.go; Docker's documentation, "Start containers automatically".
"""

from __future__ import annotations

from maru.components.docker.model.container import Container, State

DELAY_BASE_S = 0.1
DELAY_MAX_S = 60.0
STABLE_S = 10.0


def is_restarted(container: Container, state: State) -> bool:
    """After an exit that nobody asked for; `state` holds the code and the restarts so far."""
    if state.is_stopped_by_user:
        return False
    if container.policy in ("always", "unless-stopped"):
        return True
    if container.policy != "on-failure" or state.exit_code == 0:
        return False
    return container.attempts_max == 0 or state.restart_count < container.attempts_max


def is_started_with_platform(container: Container, state: State) -> bool:
    """When Maru comes up: what ran, and what its policy says is up unless somebody stopped it."""
    if container.policy == "always":
        return state.state != "created"
    if container.policy == "unless-stopped":
        return state.state != "created" and not state.is_stopped_by_user
    if container.policy == "on-failure":
        return state.is_running and not state.is_stopped_by_user and is_restarted(container, state)
    return False


def next_delay_s(delay_s: float, ran_s: float) -> float:
    """The wait before the next start. delay_s: the one before, 0 for none yet."""
    if ran_s >= STABLE_S or delay_s == 0:
        return DELAY_BASE_S
    return min(delay_s * 2, DELAY_MAX_S)
