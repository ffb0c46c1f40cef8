"""Netlink and namespaces, on namespaces of their own."""

from __future__ import annotations

import errno
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from maru.linux import nftables, rtnetlink
from maru.linux.namespaces import NamespaceThread, standing_in
from maru.linux.netlink import NETLINK_NETFILTER, NETLINK_ROUTE, KernelError, NetlinkSocket, attribute, attributes
from maru.linux.nftables import IPV4_ADDRESS, PORT, SetSpec, Verdict
from maru.linux.rtnetlink import Route


@pytest.fixture
def path() -> Iterator[str]:
    name = f"mnet-linux-{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield f"/run/netns/{name}"
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def inside(path: str, protocol: int) -> NetlinkSocket:
    with standing_in(path):
        return NetlinkSocket(protocol)


def test_attributes_are_padded_and_read_back() -> None:
    body = attribute(3, b"abc") + attribute(5, b"")
    assert len(body) == 12
    assert attributes(body) == {3: b"abc", 5: b""}
    assert attributes(b"\xff\xff\0\0") == {}


@pytest.mark.root
def test_a_batch_is_carried_out_and_the_first_refusal_is_named(path: str) -> None:
    with closing(inside(path, NETLINK_ROUTE)) as sock:
        requests = [
            rtnetlink.add_bridge("mb0", "02:00:00:00:00:01", 1400),
            rtnetlink.add_route(Route("192.0.2.0/24", 9999)),
            rtnetlink.set_up(1, "lo"),
        ]
        with pytest.raises(KernelError, match=r"add route 192\.0\.2\.0/24.*ENODEV"):
            sock.run_blocking(requests)
        link = rtnetlink.find_link_blocking(sock, "mb0")
        assert link is not None
        assert (link.mac, link.mtu, link.is_up) == ("02:00:00:00:00:01", 1400, True)
        assert rtnetlink.list_links_blocking(sock)[0].is_up
        sock.run_blocking([rtnetlink.add_bridge("mb0", "02:00:00:00:00:01", 1400)])
        sock.run_blocking([rtnetlink.delete_link("mb0"), rtnetlink.delete_link("mb0")])
        assert rtnetlink.find_link_blocking(sock, "mb0") is None


@pytest.mark.root
def test_a_group_of_links_goes_at_once_and_no_other(path: str) -> None:
    with closing(inside(path, NETLINK_ROUTE)) as sock:
        names = [f"mb{number}" for number in range(3)]
        sock.run_blocking([rtnetlink.add_bridge(name, "02:00:00:00:00:01", 1500) for name in names])
        sock.run_blocking([rtnetlink.set_group(name, 77) for name in (*names[:2], "none")])
        sock.run_blocking([rtnetlink.delete_group(77)])
        left = {link.name for link in rtnetlink.list_links_blocking(sock)}
        assert left & set(names) == {"mb2"}
        sock.run_blocking([rtnetlink.delete_group(77)])


@pytest.mark.root
def test_a_transaction_takes_effect_as_a_whole_or_not_at_all(path: str) -> None:
    with closing(inside(path, NETLINK_NETFILTER)) as sock:
        with pytest.raises(KernelError) as refused:
            nftables.commit_blocking(sock, [nftables.add_table("t"), nftables.delete_table("nothing")])
        assert refused.value.errno == errno.ENOENT
        assert refused.value.what == "delete table nothing"
        assert not nftables.has_table_blocking(sock, "t")
        nftables.commit_blocking(sock, [nftables.add_table("t")])
        assert nftables.has_table_blocking(sock, "t")
        assert nftables.list_tables_blocking(sock) == ["t"]


@pytest.mark.root
def test_elements_by_the_ten_thousand_go_in_and_come_out(path: str) -> None:
    with closing(inside(path, NETLINK_NETFILTER)) as sock:
        # A size: without one the kernel moves the growing hash table in the background, and a walk skips some.
        spec = SetSpec("m", (IPV4_ADDRESS, PORT), (IPV4_ADDRESS, PORT), size=20_000)
        wanted = {number.to_bytes(4, "big") + b"\0\x50\0\0": b"\x0a\0\0\1\0\x50\0\0" for number in range(20_000)}
        requests = [nftables.add_table("t"), nftables.add_set("t", spec, 1)]
        nftables.commit_blocking(sock, requests + nftables.add_elements("t", "m", wanted.items()))
        found = nftables.list_elements_blocking(sock, "t", "m")
        assert {element.key: element.value for element in found} == wanted
        gone = list(wanted)[:15_000]
        nftables.commit_blocking(sock, nftables.delete_elements("t", "m", gone))
        assert len(nftables.list_elements_blocking(sock, "t", "m")) == 5_000


@pytest.mark.root
def test_verdict_maps_go_to_chains(path: str) -> None:
    with closing(inside(path, NETLINK_NETFILTER)) as sock:
        spec = SetSpec("v", (IPV4_ADDRESS, PORT), None)
        elements = [(b"\x0a\0\0\1\0\x50\0\0", Verdict(nftables.GOTO, "there"))]
        requests = [nftables.add_table("t"), nftables.add_chain("t", "there"), nftables.add_set("t", spec, 1)]
        nftables.commit_blocking(sock, requests + nftables.add_elements("t", "v", elements))
        listed = subprocess.run(
            ["ip", "netns", "exec", path.rsplit("/", 1)[1], "nft", "list", "map", "ip", "t", "v"],
            check=True,
            capture_output=True,
            text=True,
        )
        assert "10.0.0.1 . 80 : goto there" in listed.stdout


@pytest.mark.root
async def test_the_thread_stands_elsewhere_and_comes_back(path: str) -> None:
    here = str(Path("/proc/self/ns/net").readlink())

    def where() -> str:
        return str(Path("/proc/thread-self/ns/net").readlink())

    def there_and_back() -> tuple[str, str]:
        with standing_in(path):
            there = where()
        return there, where()

    home, elsewhere = NamespaceThread("here"), NamespaceThread("there", path)
    try:
        there, back = await home.run(there_and_back)
        assert (there != here, back) == (True, here)
        assert await elsewhere.run(where) == there
        with pytest.raises(OSError, match="No such file"):
            await home.run(lambda: standing_in("/run/netns/none").__enter__())
        assert await home.run(where) == here
    finally:
        home.close()
        elsewhere.close()
