"""A named place for data that outlives containers. Source: Docker Engine API v1.50, VolumeInspect."""

from __future__ import annotations

import hashlib
import re

import msgspec

from maru.core.document import Value
from maru.core.errors import Invalid, NotFound
from maru.wire.docker.names import is_name

ANONYMOUS = "com.docker.volume.anonymous"
_OPTIONS = frozenset({"type", "o", "device", "size"})
_DOCUMENT_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?")


class Volume(msgspec.Struct, rename="camel"):
    """created: RFC 3339. options: of the local driver: type, o, device as mount(8) takes them."""

    name: str
    created: str
    mountpoint: str
    driver: str = "local"
    labels: dict[str, str] = {}
    options: dict[str, str] = {}

    @property
    def is_mounted(self) -> bool:
        """True when it is not a folder but something to mount."""
        return bool(self.options.get("type") or self.options.get("device"))


def check_volume(name: str, driver: str, options: dict[str, str]) -> None:
    """Raises Invalid, NotFound in dockerd's words."""
    if not is_name(name) or name.startswith("/"):
        allowed = "[a-zA-Z0-9][a-zA-Z0-9_.-]"
        why = f'includes invalid characters for a local volume name, only "{allowed}" are allowed'
        hint = "If you intended to pass a host directory, use absolute path"
        raise Invalid(what=f'create {name}: "{name}" {why}. {hint}', why="")
    if driver != "local":
        raise NotFound(what=f'error looking up volume plugin {driver}: plugin "{driver}" not found', why="")
    for option in options:
        if option not in _OPTIONS:
            raise Invalid(what=f'create {name}: invalid option: "{option}"', why="")


def document_name(name: str) -> str:
    """The volume's name where a document may be called so, else one made from it."""
    if _DOCUMENT_NAME.fullmatch(name) and ".." not in name:
        return name
    return f"v-{hashlib.sha256(name.encode()).hexdigest()[:40]}"


def volume_value(volume: Volume) -> Value:
    """As an inspect shows it."""
    return {
        "CreatedAt": volume.created,
        "Driver": volume.driver,
        "Labels": volume.labels or None,
        "Mountpoint": volume.mountpoint,
        "Name": volume.name,
        "Options": volume.options or None,
        "Scope": "local",
    }
