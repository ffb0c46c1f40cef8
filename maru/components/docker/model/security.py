"""What a container may do: capabilities, system calls, privileges, as its HostConfig asks.

Source: moby oci/caps/utils.go, daemon/daemon_unix.go parseSecurityOpt; Docker's documentation, "Runtime
privilege and Linux capabilities", "Seccomp security profiles for Docker" (the profile's format).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from maru.core.document import Value
from maru.core.errors import Invalid, NotSupported
from maru.wire.oci.confinement import CAPABILITIES_ALL, CAPABILITIES_DEFAULT
from maru.wire.oci.seccomp import default_profile

_ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}


@dataclass(frozen=True, slots=True)
class Security:
    """seccomp: OCI linux.seccomp, None for unconfined. apparmor: a profile's name, "" for none."""

    capabilities: Sequence[str]
    seccomp: Value | None
    no_new_privileges: bool
    is_privileged: bool
    has_open_paths: bool
    apparmor: str = ""


def security_of(host: Value) -> Security:
    """Raises Invalid, NotSupported, in dockerd's words."""
    is_privileged = bool(host.get("Privileged"))
    capabilities = CAPABILITIES_ALL if is_privileged else capabilities_of(host)
    no_new_privileges, seccomp, apparmor, has_open_paths = False, "", "", is_privileged
    for option in host.get("SecurityOpt") or ():
        name, separator, value = option.partition("=")
        if not separator:
            name, separator, value = option.partition(":")
        if name == "no-new-privileges":
            no_new_privileges = _boolean(option, value)
        elif name == "seccomp":
            seccomp = value
        elif name == "apparmor":
            apparmor = "" if value == "unconfined" else value
        elif option in ("systempaths=unconfined", "label=disable", "label:disable"):
            has_open_paths = has_open_paths or name == "systempaths"
        elif name == "label":
            raise NotSupported(what=f'security option "{option}": this kernel has no SELinux', why="")
        else:
            raise Invalid(what=f'invalid --security-opt 2: "{option}"', why="")
    profile = None if is_privileged and not seccomp else _profile(seccomp, capabilities)
    return Security(capabilities, profile, no_new_privileges, is_privileged, has_open_paths, apparmor)


def capabilities_of(host: Value) -> Sequence[str]:
    """Docker's defaults with CapDrop and CapAdd, ascending by number. Raises Invalid."""
    add = [_capability(name) for name in host.get("CapAdd") or ()]
    drop = [_capability(name) for name in host.get("CapDrop") or ()]
    if "CAP_ALL" in drop:
        have: set[str] = set()
    elif "CAP_ALL" in add:
        have = set(CAPABILITIES_ALL)
    else:
        have = set(CAPABILITIES_DEFAULT)
    if "CAP_ALL" in add:
        have = set(CAPABILITIES_ALL) - set(drop)
    have = (have - set(drop)) | {name for name in add if name != "CAP_ALL"}
    return [name for name in CAPABILITIES_ALL if name in have]


def _capability(name: str) -> str:
    upper = name.upper()
    full = upper if upper.startswith("CAP_") else f"CAP_{upper}"
    if full != "CAP_ALL" and full not in CAPABILITIES_ALL:
        raise Invalid(what=f'invalid CapAdd: unknown capability: "{full}"', why="")
    return full


def _boolean(option: str, value: str) -> bool:
    if value in ("", "true", "1"):
        return True
    if value in ("false", "0"):
        return False
    raise Invalid(what=f'invalid --security-opt 2: "{option}"', why="")


def _profile(text: str, capabilities: Sequence[str]) -> Value | None:
    if text == "unconfined":
        return None
    if text in ("", "builtin"):
        return default_profile(capabilities)
    try:
        given: Value = msgspec.json.decode(text, type=dict)
        return _translated(given, set(capabilities))
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError) as error:
        raise Invalid(
            what=f"opening seccomp profile failed: decoding seccomp profile failed: {error}", why=""
        ) from error


def _translated(given: Value, capabilities: set[str]) -> Value:
    """A profile of Docker's format as the OCI configuration wants it, for these capabilities."""
    machine = os.uname().machine
    profile: Value = {"defaultAction": given["defaultAction"], "syscalls": []}
    if given.get("defaultErrnoRet") is not None:
        profile["defaultErrnoRet"] = given["defaultErrnoRet"]
    if given.get("architectures"):
        profile["architectures"] = given["architectures"]
    for entry in given.get("archMap") or ():
        if entry["architecture"] == _ARCHITECTURES.get(machine):
            profile["architectures"] = [entry["architecture"], *(entry.get("subArchitectures") or ())]
    for rule in given.get("syscalls") or ():
        if not _applies(rule, capabilities, machine):
            continue
        names = [*(rule.get("names") or ()), *([rule["name"]] if rule.get("name") else [])]
        kept: Value = {"names": names, "action": rule["action"]}
        if rule.get("args"):
            kept["args"] = rule["args"]
        if rule.get("errnoRet") is not None:
            kept["errnoRet"] = rule["errnoRet"]
        profile["syscalls"].append(kept)
    return profile


def _applies(rule: Value, capabilities: set[str], machine: str) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    if includes.get("arches") and architecture not in includes["arches"]:
        return False
    if architecture in (excludes.get("arches") or ()):
        return False
    if any(name not in capabilities for name in includes.get("caps") or ()):
        return False
    return not any(name in capabilities for name in excludes.get("caps") or ())
