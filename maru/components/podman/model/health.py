"""Health checks that are changed while a container is there. Source: podman 5.5, libpod/healthcheck.go, update."""

from __future__ import annotations

from collections.abc import Mapping

from maru.core.document import Value
from maru.core.errors import Invalid, NotSupported
from maru.wire.docker.moments import parse_duration

_TIMES: Mapping[str, str] = {
    "health_interval": "Interval",
    "health_timeout": "Timeout",
    "health_start_period": "StartPeriod",
}
_REFUSED = (
    "health_startup_cmd health_startup_interval health_startup_retries health_startup_success health_startup_timeout "
    "health_log_destination health_max_log_count health_max_log_size health_max_logs_size health_on_failure"
)


def changed_check(check: Value, body: Value) -> Value | None:
    """The check as an update asks for it, None where it asks for nothing. Raises Invalid, NotSupported."""
    for name in _REFUSED.split():
        if body.get(name):
            raise NotSupported(what=f"{name} is not supported", why="", fix="leave it out")
    if body.get("no_healthcheck"):
        return {"Test": ["NONE"]}
    changed = dict(check)
    if body.get("health_cmd"):
        changed["Test"] = ["NONE"] if body["health_cmd"] == "none" else ["CMD-SHELL", str(body["health_cmd"])]
    for name, field in _TIMES.items():
        if body.get(name):
            try:
                changed[field] = int(parse_duration(str(body[name])) * 1_000_000_000)
            except ValueError as error:
                raise Invalid(what=f"{name}: {error}", why="") from error
    if body.get("health_retries"):
        if not str(body["health_retries"]).isdigit():
            raise Invalid(what=f"health_retries is no number: {body['health_retries']!r}", why="")
        changed["Retries"] = int(body["health_retries"])
    return changed if changed != check else None
