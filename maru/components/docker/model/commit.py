"""The configuration of an image made from a container: its own, what the caller sends, and --change lines.

Source: docker's reference, commit `--change`; OCI image specification 1.1, config.md.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import msgspec

from maru.core.document import Value

_KEPT = "Cmd Entrypoint Env ExposedPorts Healthcheck Labels OnBuild Shell StopSignal User Volumes WorkingDir"


def changed_config(own: Value, sent: Value, changes: Sequence[str]) -> Value:
    """Raises ValueError for an instruction that cannot be a change."""
    config: Value = {name: own[name] for name in _KEPT.split() if own.get(name)}
    config |= {name: sent[name] for name in _KEPT.split() if sent.get(name)}
    for line in changes:
        _apply(config, line)
    return config


def _apply(config: Value, line: str) -> None:
    word, _, rest = line.strip().partition(" ")
    rest, instruction = rest.strip(), word.upper()
    if instruction in ("CMD", "ENTRYPOINT"):
        config["Cmd" if instruction == "CMD" else "Entrypoint"] = _words(rest)
    elif instruction == "ENV":
        name, value = _pair(rest)
        kept = [entry for entry in config.get("Env") or () if entry.partition("=")[0] != name]
        config["Env"] = [*kept, f"{name}={value}"]
    elif instruction == "LABEL":
        pairs = [part.partition("=")[::2] for part in shlex.split(rest)]
        config["Labels"] = {**(config.get("Labels") or {}), **dict(pairs)}
    elif instruction == "EXPOSE":
        ports = [port if "/" in port else f"{port}/tcp" for port in rest.split()]
        config["ExposedPorts"] = {**(config.get("ExposedPorts") or {}), **{port: {} for port in ports}}
    elif instruction == "VOLUME":
        paths = _list(rest) or rest.split()
        config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in paths}}
    elif instruction == "ONBUILD":
        config["OnBuild"] = [*(config.get("OnBuild") or ()), rest]
    elif instruction in ("USER", "WORKDIR", "STOPSIGNAL"):
        config[{"USER": "User", "WORKDIR": "WorkingDir", "STOPSIGNAL": "StopSignal"}[instruction]] = rest
    else:
        raise ValueError(f"{word} is not a valid change command")


def _words(text: str) -> list[str]:
    return _list(text) or ["/bin/sh", "-c", text]


def _list(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text, type=list[str]) if text.startswith("[") else []
    except msgspec.MsgspecError:
        return []


def _pair(text: str) -> tuple[str, str]:
    if "=" in text.split(" ", maxsplit=1)[0]:
        parts = shlex.split(text)
        name, _, value = parts[0].partition("=")
        return name, value
    name, _, value = text.partition(" ")
    return name, value
