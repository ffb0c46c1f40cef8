"""What the caller of a build asks for, out of the query.

Source: Docker Engine API v1.50, ImageBuild; moby api/server/router/build.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from maru.components.docker.model.builds.secrets import offered
from maru.contracts.image_store import RegistryAuth
from maru.core.document import Value
from maru.core.errors import Invalid, NotSupported

DEFAULT_DOCKERFILE = "Dockerfile"
_OFFICIAL = "https://index.docker.io/v1/"
_NUMBERS = {
    "memory": "Memory",
    "memswap": "MemorySwap",
    "cpushares": "CpuShares",
    "cpuperiod": "CpuPeriod",
    "cpuquota": "CpuQuota",
    "shmsize": "ShmSize",
}
_SYSTEMS = frozenset({"linux", "windows", "darwin", "freebsd"})
_ARCHITECTURES = frozenset({"amd64", "x86_64", "arm64", "aarch64", "arm", "386", "ppc64le", "s390x", "riscv64"})
_TEXTS = {"cpusetcpus": "CpusetCpus", "cpusetmems": "CpusetMems", "cgroupparent": "CgroupParent"}


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """arguments: by name, None for one that is named only. cache_from: None when it was not asked for.

    host_config: of the containers that RUN makes. registries: credentials by registry host. is_empty_taken: an
    image of nothing is one, too; secrets: paths in the context by id (both not of the Engine API: other dialects
    ask for them).
    """

    tags: tuple[str, ...] = ()
    dockerfile: str = DEFAULT_DOCKERFILE
    target: str = ""
    arguments: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    cache_from: tuple[str, ...] | None = None
    host_config: Value = field(default_factory=dict)
    registries: Mapping[str, RegistryAuth] = field(default_factory=dict)
    is_quiet: bool = False
    is_uncached: bool = False
    is_pulled: bool = False
    is_removed: bool = True
    is_always_removed: bool = False
    is_squashed: bool = False
    is_empty_taken: bool = False
    secrets: Mapping[str, str] | None = None

    def auth_for(self, domain: str) -> RegistryAuth | None:
        """Credentials for a registry's domain."""
        names = (domain, f"https://{domain}", *((_OFFICIAL, "index.docker.io") if domain == "docker.io" else ()))
        return next((self.registries[name] for name in names if name in self.registries), None)


def read_options(query: Sequence[tuple[str, str]], platform: str, header: str) -> BuildOptions:
    """platform: of this machine, os/architecture; header: X-Registry-Config. Raises Invalid, NotSupported."""

    def get(name: str) -> str:
        return next((value for key, value in query if key == name), "")

    _refuse(get, platform)
    host: Value = {"NetworkMode": get("networkmode") or "default", "LogConfig": {"Type": "none", "Config": {}}}
    for name, field_name in _NUMBERS.items():
        if get(name):
            host[field_name] = _number(name, get(name))
    host |= {field_name: get(name) for name, field_name in _TEXTS.items() if get(name)}
    if get("ulimits"):
        host["Ulimits"] = _json(get("ulimits"), "ulimits", list[dict[str, str | int]])
    if get("extrahosts"):
        host["ExtraHosts"] = _hosts([value for key, value in query if key == "extrahosts"])
    if get("securityopt"):
        host["SecurityOpt"] = _json(get("securityopt"), "securityopt", list[str])
    cache_from = _json(get("cachefrom"), "cachefrom", list[str] | None) if get("cachefrom") else None
    return BuildOptions(
        tags=tuple(dict.fromkeys(value for key, value in query if key == "t" and value)),
        dockerfile=get("dockerfile") or DEFAULT_DOCKERFILE,
        target=get("target"),
        arguments=_json(get("buildargs"), "buildargs", dict[str, str | None]) if get("buildargs") else {},
        labels=(_json(get("labels"), "labels", dict[str, str] | None) or {}) if get("labels") else {},
        cache_from=tuple(cache_from) if cache_from else None,
        host_config=host,
        registries=_registries(header),
        is_quiet=is_yes(get("q")),
        is_uncached=is_yes(get("nocache")),
        is_pulled=is_yes(get("pull")),
        is_removed=is_yes(get("rm") or "1"),
        is_always_removed=is_yes(get("forcerm")),
        is_squashed=is_yes(get("squash")),
        is_empty_taken=is_yes(get("emptyok")),
        secrets=offered(list(_json(get("secrets"), "secrets", list[str]))) if get("secrets") else None,
    )


def is_yes(text: str) -> bool:
    """A boolean as the Engine API reads it."""
    return text.strip().lower() not in ("", "0", "no", "false", "none")


def _refuse(get: Callable[[str], str], platform: str) -> None:
    if get("version") == "2":
        raise _unsupported("BuildKit's session protocol", "set DOCKER_BUILDKIT=0")
    if get("remote"):
        raise _unsupported("a remote build context", "send the context as a tar")
    if get("outputs") and get("outputs") not in ("null", "[]"):
        raise _unsupported("outputs", "leave it out")
    if get("isolation") not in ("", "default"):
        raise Invalid(what=f'Unsupported isolation: "{get("isolation")}"', why="")
    asked = get("platform")
    if asked and not is_platform(asked):
        raise Invalid(what=f'"{asked}": unknown operating system or architecture: invalid argument', why="")
    if get("platform") and not is_this(get("platform"), platform):
        raise _unsupported(f"a build for {get('platform')}", f"this machine builds for {platform}")


def is_platform(text: str) -> bool:
    """Whether it begins with a system or an architecture that there is."""
    return text.partition("/")[0].lower() in _SYSTEMS | _ARCHITECTURES


def is_this(wanted: str, platform: str) -> bool:
    """Whether a platform as people write it is this machine's (os/architecture)."""
    own_os, _, own = platform.partition("/")
    asked_os, _, asked = wanted.lower().partition("/")
    if not asked:
        return asked_os in (own_os, own)
    asked = asked.partition("/")[0]
    return asked_os == own_os and {"x86_64": "amd64", "aarch64": "arm64"}.get(asked, asked) == own


def _registries(header: str) -> dict[str, RegistryAuth]:
    if not header:
        return {}
    try:
        text = base64.b64decode(header.replace("-", "+").replace("_", "/") + "=" * (-len(header) % 4))
        given: Value = msgspec.json.decode(text, type=dict[str, dict[str, object]]) if text.strip() else {}
    except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
        raise Invalid(what="X-Registry-Config", why=str(error), fix="send base64 of a JSON object") from error
    return {host: _auth(entry) for host, entry in given.items()}


def _auth(entry: Value) -> RegistryAuth:
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if not user and entry.get("auth"):
        try:
            user, _, password = base64.b64decode(str(entry["auth"])).decode().partition(":")
        except ValueError as error:
            raise Invalid(what="X-Registry-Config", why=str(error), fix="send user:password in base64") from error
    return RegistryAuth(user, password, str(entry.get("identitytoken") or ""))


def _hosts(values: Sequence[str]) -> list[str]:
    """One value each, or a JSON list of them; clients send either."""
    if values[0].startswith("["):
        return list(_json(values[0], "extrahosts", list[str]))
    return [entry for entry in values if entry]


def _json(text: str, name: str, kind: object) -> Value:
    try:
        decoded: Value = msgspec.convert(msgspec.json.decode(text), type=kind)
        return decoded
    except msgspec.MsgspecError as error:
        raise Invalid(what=f"error reading {name}", why=str(error)) from error


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise Invalid(what=f'{name}: strconv.ParseInt: parsing "{text}": invalid syntax', why="") from error


def _unsupported(what: str, fix: str) -> NotSupported:
    return NotSupported(what=what, why="this builder does not do it", fix=fix)
