"""What the options of a network mean, driver by driver. Options nobody knows are kept and mean nothing.

Source: Docker documentation, "Bridge network driver" and "Macvlan network driver", options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maru.components.network.model.addresses import LINK_NAME_LENGTH_MAX
from maru.core.errors import Invalid, NotSupported

BRIDGE_NAME = "com.docker.network.bridge.name"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
ICC = "com.docker.network.bridge.enable_icc"
HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"
DEFAULT_BRIDGE = "com.docker.network.bridge.default_bridge"
MTU = "com.docker.network.driver.mtu"
GATEWAY_MODE = "com.docker.network.bridge.gateway_mode_ipv4"
DEVICE_PREFIX = "com.docker.network.container_iface_prefix"
PARENT, MACVLAN_MODE = "parent", "macvlan_mode"

MACVLAN_MODES = {"bridge": 4, "private": 1, "vepa": 2, "passthru": 8}
_GATEWAY_MODES = ("nat", "nat-unprotected", "routed")
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_MTU_BYTES_MIN, _MTU_BYTES_MAX = 68, 65535


@dataclass(frozen=True, slots=True)
class Options:
    """device: of the bridge or the macvlan's parent, "" for one of our own. mtu_bytes: 0 for the machine's.

    icc: whether containers may talk to each other; host_binding: where ports without an address are published;
    gateway_mode: nat, nat-unprotected or routed; device_prefix: of names within containers.
    """

    device: str = ""
    masquerade: bool = True
    icc: bool = True
    mtu_bytes: int = 0
    host_binding: str = ""
    gateway_mode: str = "nat"
    device_prefix: str = "eth"
    macvlan_mode: int = 4


def parse_options(driver: str, options: Mapping[str, str]) -> Options:
    """Raises Invalid for a value that cannot be, NotSupported for a parent that would have to be made."""
    mtu_bytes = _mtu(options.get(MTU, ""))
    prefix = options.get(DEVICE_PREFIX, "") or "eth"
    if driver == "macvlan":
        mode = options.get(MACVLAN_MODE, "") or "bridge"
        if mode not in MACVLAN_MODES:
            raise Invalid(what=f"requested macvlan mode '{mode}' is not valid, 'bridge' mode is the default", why="")
        parent = options.get(PARENT, "")
        if "." in parent:
            raise NotSupported(
                what=f"macvlan parent {parent}", why="VLAN devices are not made", fix="make it, without a dot"
            )
        return Options(parent, mtu_bytes=mtu_bytes, device_prefix=prefix, macvlan_mode=MACVLAN_MODES[mode])
    device = options.get(BRIDGE_NAME, "")
    if len(device) > LINK_NAME_LENGTH_MAX or "/" in device:
        raise Invalid(what=f"invalid bridge name {device!r}", why="")
    mode = options.get(GATEWAY_MODE, "") or "nat"
    if mode not in _GATEWAY_MODES:
        raise Invalid(what=f"unknown gateway mode {mode}", why="")
    return Options(
        device,
        masquerade=_flag(options, MASQUERADE) and mode != "routed",
        icc=_flag(options, ICC),
        mtu_bytes=mtu_bytes,
        host_binding=options.get(HOST_BINDING, ""),
        gateway_mode=mode,
        device_prefix=prefix,
    )


def _flag(options: Mapping[str, str], name: str) -> bool:
    text = options.get(name, "true")
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise Invalid(what=f'failed to parse {name} value: "{text}" (invalid syntax)', why="")


def _mtu(text: str) -> int:
    if not text:
        return 0
    if not text.isdigit():
        raise Invalid(what=f'failed to parse {MTU} value: "{text}" (invalid syntax)', why="")
    if int(text) and not _MTU_BYTES_MIN <= int(text) <= _MTU_BYTES_MAX:
        raise Invalid(what=f"invalid MTU number: {text}", why="")
    return int(text)
