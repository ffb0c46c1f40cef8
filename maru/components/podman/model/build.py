"""A build as podman's clients ask for it, in the words of the Engine API.

Source: podman 5.5, pkg/api/handlers/compat/images_build.go; Docker Engine API v1.50, ImageBuild.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from maru.components.podman.model.names import own_name
from maru.core.errors import Invalid, NotSupported

_SAME: Mapping[str, str] = {
    "nocache": "nocache",
    "pull": "pull",
    "rm": "rm",
    "forcerm": "forcerm",
    "q": "q",
    "buildargs": "buildargs",
    "target": "target",
    "shmsize": "shmsize",
    "memory": "memory",
    "memswap": "memswap",
    "cpushares": "cpushares",
    "cpusetcpus": "cpusetcpus",
    "cpusetmems": "cpusetmems",
    "cpuperiod": "cpuperiod",
    "cpuquota": "cpuquota",
    "labels": "labels",
}
_REFUSED = (
    "squash",
    "additionalbuildcontexts",
    "addcaps",
    "dropcaps",
    "devices",
    "volumes",
    "ssh",
    "sshsources",
)
_NETWORKS = {"0": "default", "1": "none", "2": "default"}  # buildah's NetworkConfigurationPolicy
_NOTHING = ("", "0", "false", "[]", "{}", "null")


def build_query(given: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Raises Invalid, NotSupported."""
    query: list[tuple[str, str]] = [("emptyok", "1")]
    if all(name != "secrets" or value in _NOTHING for name, value in given):
        query.append(("secrets", "[]"))  # so RUN --mount=type=secret is read, and finds none
    for name, value in given:
        if name in _REFUSED and value not in _NOTHING:
            raise NotSupported(what=f"{name} of a build is not supported", why="", fix="leave it out")
        if name == "t" and value:
            query.append(("t", own_name(value)))
        elif name == "dockerfile":
            query.append(("dockerfile", _file(value)))
        elif name == "extrahosts" and value not in _NOTHING:
            query.append(("extrahosts", _hosts(value)))
        elif name == "layers" and value in ("0", "false", "False"):
            query.append(("nocache", "1"))
        elif name == "platform" and value.strip("/"):
            query.append(("platform", value))
        elif name == "secrets" and value not in _NOTHING:
            query.append(("secrets", value))
        elif name == "networkmode":
            query.append(("networkmode", _NETWORKS.get(value, value)))
        elif name == "pullpolicy":
            query.append(("pull", "1" if value in ("always", "newer") else "0"))
        elif name == "output" and value not in _NOTHING and "=" not in value:
            query.append(("t", own_name(value)))
        elif name in _SAME:
            query.append((_SAME[name], "1" if value == "True" else "0" if value == "False" else value))
    return query


def _file(value: str) -> str:
    """One Containerfile; podman takes a list, of which several are put together. Raises NotSupported, Invalid."""
    if not value.startswith("["):
        return value
    try:
        names = msgspec.json.decode(value, type=list[str])
    except msgspec.MsgspecError as error:
        raise Invalid(what=f"dockerfile: {error}", why="") from error
    if len(names) != 1:
        raise NotSupported(what="several Containerfiles are not supported", why="", fix="put them into one")
    return names[0]


def _hosts(value: str) -> str:
    """podman-py sends a map, podman a list."""
    try:
        hosts = msgspec.json.decode(value)
    except msgspec.MsgspecError as error:
        raise Invalid(what=f"extrahosts: {error}", why="") from error
    entries = [f"{name}:{address}" for name, address in hosts.items()] if isinstance(hosts, dict) else list(hosts)
    return msgspec.json.encode(entries).decode()
