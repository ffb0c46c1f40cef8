"""What a virtual machine is made from: the specification inside, the first file system, the streams."""

import os
import socket
import threading

import pytest

from maru.components.engine.engine.vm import streams
from maru.components.engine.engine.vm.guest import SLOTS, TERMINAL_PORT_FIRST, ports
from maru.components.engine.engine.vm.initramfs import archive
from maru.components.engine.engine.vm.machine import network_script
from maru.components.engine.model.guest import MEMORY_DEFAULT_BYTES, MEMORY_KERNEL_BYTES, guest_of
from maru.linux.taps import Wire

NAMESPACES = [{"type": "network", "path": "/net"}, {"type": "pid"}, {"type": "ipc"}, {"type": "mount"}]


def spec(**linux: object) -> dict[str, object]:
    mounts = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/data", "type": "bind", "source": "/outside", "options": ["rbind", "ro"]},
    ]
    process = {"args": ["true"], "user": {"uid": 7}, "apparmorProfile": "x"}
    return {"process": process, "mounts": mounts, "linux": {"namespaces": NAMESPACES, **linux}}


def test_bind_mounts_become_shares_and_namespaces_fresh_ones() -> None:
    guest = guest_of(spec(), 4)
    assert [(share.source, share.is_read_only) for share in guest.shares] == [("/outside", True)]
    assert guest.spec["mounts"][1]["source"] == "/stage/mounts/0"
    assert all("path" not in one for one in guest.spec["linux"]["namespaces"]) and guest.netns == "/net"
    assert guest.spec["process"] == {"args": ["true"], "user": {"uid": 7}}
    assert (guest.memory_bytes, guest.processors) == (MEMORY_DEFAULT_BYTES, 2)


def test_limits_size_the_machine_and_hold_inside_as_well() -> None:
    resources = {
        "memory": {"limit": 256 << 20, "swap": 1},
        "cpu": {"quota": 150_000, "period": 100_000},
        "pids": {"limit": 9},
    }
    guest = guest_of(spec(resources=resources), 4)
    assert guest.memory_bytes == (256 << 20) + MEMORY_KERNEL_BYTES and guest.processors == 2
    assert guest.spec["linux"]["resources"] == {"memory": {"limit": 256 << 20}, "pids": {"limit": 9}}
    assert guest.quota_us == 150_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"namespaces": NAMESPACES[1:]}, "network"),
        ({"namespaces": [NAMESPACES[0], {"type": "ipc"}]}, "processes"),
        ({"namespaces": [*NAMESPACES[:2], {"type": "ipc", "path": "/proc/1/ns/ipc"}]}, "shared memory"),
        ({"devices": [{"path": "/dev/fuse"}]}, "devices"),
    ],
)
def test_what_a_machine_cannot_share_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        guest_of(spec(**change), 1)


def test_archive_is_whole_entries_of_four_bytes_and_ends() -> None:
    made = archive({"bin/tool": b"12345", "init": b"#!"})
    assert made.startswith(b"070701") and b"TRAILER!!!" in made and len(made) % 4 == 0
    assert made.index(b"bin\0") < made.index(b"bin/tool\0")


def test_ports_of_slots_do_not_overlap() -> None:
    numbers = [port for slot in range(SLOTS) for port in ports(slot)]
    assert len(set(numbers)) == 3 * SLOTS and max(numbers) < TERMINAL_PORT_FIRST and TERMINAL_PORT_FIRST + SLOTS < 31


def test_guest_gets_addresses_before_routes_and_links_before_gateways() -> None:
    wire = Wire("eth0", 2, "02:00:00:00:00:01", 1400, ["10.1.0.2/24", "fd00::2/64"], [("0.0.0.0/0", "10.1.0.1")], [])
    assert network_script([wire], [("net.core.somaxconn", "9")]).splitlines() == [
        "sysctl -q -w 'net.core.somaxconn=9'",
        "ip link set eth0 mtu 1400 up",
        "ip addr add 10.1.0.2/24 dev eth0",
        "ip addr add fd00::2/64 dev eth0",
        "ip route add 0.0.0.0/0 via 10.1.0.1 dev eth0",
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 64])
def test_output_ends_at_the_token_however_it_comes(size: int) -> None:
    here, there = socket.socketpair()
    reads, writes = os.pipe()
    thread = threading.Thread(target=streams.pour_out, args=(here, writes, b"TOKEN"))
    thread.start()
    sent = b"a TOKE, TOTOKE, and the end" + b"TOKEN" + b"not this"
    for first in range(0, len(sent), size):
        there.sendall(sent[first : first + size])
    thread.join(5)
    os.close(writes)
    with os.fdopen(reads, "rb") as stream:
        assert stream.read() == b"a TOKE, TOTOKE, and the end"
    here.close()
    there.close()
