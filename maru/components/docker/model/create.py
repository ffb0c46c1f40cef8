"""A create request made whole: the image's defaults merged in, the rules of dockerd kept.

Source: moby image/... runconfig merge (daemon/commit.go), daemon/create.go, container/env.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.model.host_config import Facts, normalised
from maru.contracts.image_store import ImageConfig
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.docker.ports import parse_port
from maru.wire.docker.signals import parse_signal

STOP_SIGNAL = "SIGTERM"
STOP_TIMEOUT_S = 10
HEALTH_NS_MIN = 1_000_000


@dataclass(frozen=True, slots=True)
class Wish:
    """A create request, normalised. networks: by name, endpoint settings."""

    config: Value
    host_config: Value
    networks: dict[str, Value]


def read_wish(body: Value, image: ImageConfig, container_id: str, facts: Facts) -> Wish:
    """Raises Invalid, NotSupported, in dockerd's words."""
    # docker's SDK for Python says the runtime beside the HostConfig, where dockerd does not look.
    beside = {"Runtime": body["Runtime"]} if body.get("Runtime") else {}
    host = normalised(beside | (body.get("HostConfig") or {}), facts)
    config = merged(body, image)
    if not config["Entrypoint"] and not config["Cmd"]:
        raise _invalid("no command specified")
    if config["WorkingDir"] and not config["WorkingDir"].startswith("/"):
        raise _invalid(f"the working directory '{config['WorkingDir']}' is invalid, it needs to be an absolute path")
    if host["NetworkMode"] == "host" or host["UTSMode"] == "host" or host["NetworkMode"].startswith("container:"):
        if config["Hostname"] and host["NetworkMode"].startswith("container:"):
            raise _invalid("conflicting options: hostname and the network mode")
        if config["Hostname"] and host["UTSMode"] == "host":
            raise _invalid("conflicting options: hostname and the UTS mode")
    elif not config["Hostname"]:
        config["Hostname"] = container_id[:12]
    for port in config["ExposedPorts"]:
        _port(port)
    if config.get("StopSignal"):
        try:
            parse_signal(config["StopSignal"])
        except ValueError as error:
            raise _invalid(str(error)) from error
    check_health(config.get("Healthcheck") or {})
    endpoints = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    mode = host["NetworkMode"]
    networks = {("bridge" if name == "default" else name): dict(given or {}) for name, given in endpoints.items()}
    # What is not joined by the mode itself is left out, as dockerd does for names nobody declared.
    if mode not in networks and not mode.startswith("container:"):
        networks = {mode: {}, **networks}
    if mode in networks and config.get("MacAddress") and not networks[mode].get("MacAddress"):
        networks[mode]["MacAddress"] = config["MacAddress"]
    return Wish(config, host, networks)


def merged(body: Value, image: ImageConfig) -> Value:
    """`Config`, with the image's where the request says nothing."""
    entrypoint, command = _words(body.get("Entrypoint")), _words(body.get("Cmd"))
    if not entrypoint:
        if not command:
            command = list(image.command)
        if entrypoint is None:
            entrypoint = list(image.entrypoint)
    if entrypoint == [""]:
        entrypoint = []
    config: Value = {
        "Hostname": body.get("Hostname") or "",
        "Domainname": body.get("Domainname") or "",
        "User": str(body.get("User") or image.user),
        "AttachStdin": bool(body.get("AttachStdin")),
        "AttachStdout": bool(body.get("AttachStdout")),
        "AttachStderr": bool(body.get("AttachStderr")),
        "ExposedPorts": {**{port: {} for port in image.exposed_ports}, **(body.get("ExposedPorts") or {})},
        "Tty": bool(body.get("Tty")),
        "OpenStdin": bool(body.get("OpenStdin")),
        "StdinOnce": bool(body.get("StdinOnce")),
        "Env": _environment(body.get("Env") or (), image.env),
        "Cmd": command or None,
        "Image": body.get("Image") or "",
        "Volumes": {**{path: {} for path in image.volumes}, **(body.get("Volumes") or {})} or None,
        "WorkingDir": body.get("WorkingDir") or image.working_dir,
        "Entrypoint": entrypoint or None,
        "OnBuild": body.get("OnBuild"),
        "Labels": {**image.labels, **(body.get("Labels") or {})},
    }
    health = _health(body.get("Healthcheck"), dict(image.healthcheck))
    optional = {
        "Healthcheck": health,
        "MacAddress": body.get("MacAddress"),
        "NetworkDisabled": body.get("NetworkDisabled"),
        "StopSignal": body.get("StopSignal") or image.stop_signal,
        "StopTimeout": body.get("StopTimeout"),
        "Shell": body.get("Shell") or list(image.shell),
    }
    return config | {name: value for name, value in optional.items() if value}


def process_words(config: Value) -> list[str]:
    """The command line: entrypoint and command."""
    return [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]


def _words(value: object) -> list[str] | None:
    """A command may be a list or one word."""
    if value is None:
        return None
    return [value] if isinstance(value, str) else [str(word) for word in value] if isinstance(value, list) else []


def _environment(given: Sequence[str], image: Sequence[str]) -> list[str]:
    names = {entry.partition("=")[0] for entry in given}
    return [*given, *(entry for entry in image if entry.partition("=")[0] not in names)]


def _health(given: Value | None, image: Value) -> Value | None:
    if not given:
        return image or None
    if not given.get("Test"):
        given = {**given, "Test": image.get("Test")}
    filled = {**image, **{name: value for name, value in given.items() if value}}
    return filled if filled.get("Test") else None


def check_health(health: Value) -> None:
    """Raises Invalid."""
    test = health.get("Test") or []
    if test and test[0] not in ("NONE", "CMD", "CMD-SHELL"):
        raise _invalid(f"Unknown health check type: {test[0]}")
    for name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        if 0 < (health.get(name) or 0) < HEALTH_NS_MIN:
            raise _invalid(f"{name} in Healthcheck cannot be less than 1ms")
    if (health.get("Retries") or 0) < 0:
        raise _invalid("Retries in Healthcheck cannot be negative")


def _port(port: str) -> None:
    try:
        parse_port(port)
    except ValueError as error:
        raise _invalid(str(error)) from error


def _invalid(words: str) -> Invalid:
    return Invalid(what=words, why="", fix="")
