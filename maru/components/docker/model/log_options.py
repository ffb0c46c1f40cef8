"""What a container's log configuration means: where lines go, how many are kept, what is said of them.

Source: Docker's documentation, "JSON File logging driver", "Local file logging driver".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from maru.components.docker.model.container import Container
from maru.core.errors import Invalid

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = re.compile(r"(\d+)\s*([bkmg]?)b?", re.IGNORECASE)
LOCAL_BYTES = 20 << 20
LOCAL_FILES = 5


@dataclass(frozen=True, slots=True)
class LogOptions:
    """is_kept: False for the driver none. bytes_max: 0 for never rotated. details: name=value, comma separated."""

    is_kept: bool
    bytes_max: int
    files_max: int
    details: str


def log_options(container: Container) -> LogOptions:
    """Raises Invalid for sizes that cannot be read."""
    driver = container.log_driver
    config = (container.host_config.get("LogConfig") or {}).get("Config") or {}
    is_local = driver == "local"
    bytes_max = _size(config["max-size"]) if config.get("max-size") not in (None, "", "-1") else 0
    files = str(config.get("max-file") or (LOCAL_FILES if is_local else 1))
    if not files.isdigit() or int(files) < 1:
        raise Invalid(what=f"max-file cannot be less than 1: {files}", why="")
    return LogOptions(
        driver != "none", bytes_max or (LOCAL_BYTES if is_local else 0), int(files), _details(container, config)
    )


def _size(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise Invalid(what=f"invalid size: '{text}'", why="")
    return int(found[1]) * _UNITS[found[2].lower()]


def _details(container: Container, config: dict[str, str]) -> str:
    labels = container.config.get("Labels") or {}
    found = {name: labels[name] for name in (config.get("labels") or "").split(",") if name in labels}
    variables = dict(entry.partition("=")[::2] for entry in container.config.get("Env") or ())
    found |= {name: variables[name] for name in (config.get("env") or "").split(",") if name in variables}
    return ",".join(f"{name}={value}" for name, value in sorted(found.items()))
