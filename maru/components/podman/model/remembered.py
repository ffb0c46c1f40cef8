"""What podman knows of a container and the Engine API has no words for: kept with it, in one annotation.

So it lives and goes with the container's own document.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from maru.core.document import Value

ANNOTATION = "podman.maru.dev/spec"


class Remembered(msgspec.Struct, omit_defaults=True):
    """pod: its id. binds, tmpfs, options: mounts as podman shows them, options by destination.

    secrets: as in an inspect; secret_env: names of variables whose values are secrets. on_failure: what an
    unhealthy container gets (2 kill, 3 restart, 4 stop). command: how the client was called.
    """

    is_libpod: bool = False
    pod: str = ""
    is_infra: bool = False
    binds: list[str] = []
    tmpfs: dict[str, str] = {}
    options: dict[str, list[str]] = {}
    secrets: list[Value] = []
    secret_env: list[str] = []
    secret_folder: str = ""
    on_failure: int = 0
    command: list[str] = []
    timezone: str = ""


def kept(remembered: Remembered) -> str:
    """As the annotation holds it."""
    return msgspec.json.encode(remembered).decode()


def of_host_config(host_config: Mapping[str, object]) -> Remembered:
    """From a container's HostConfig; all empty for one that another dialect made."""
    annotations = host_config.get("Annotations")
    text = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    try:
        return msgspec.json.decode(text or "{}", type=Remembered)
    except msgspec.MsgspecError:
        return Remembered()
