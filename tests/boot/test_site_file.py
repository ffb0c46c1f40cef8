"""What `maru up` was told comes back as it was, and no two platforms get in each other's way."""

from __future__ import annotations

import itertools
import os
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import get_type_hints

import pytest

from maru.boot.catalog import COMPONENTS, LEAVING, load
from maru.boot.processes import ALWAYS, CONTROL, ONE, PROCESSES, STANDS_ON, layout
from maru.boot.settings import settings_of
from maru.boot.site_file import SLOTS, Told, check, first_slot, read, site, write
from maru.core.errors import Broken, Invalid, NotFound, Unavailable
from maru.core.site import DEFAULT_DATA_DIR

TOLD = Told(node_name="n", port_offset=1000, processes_one=True, only=("apiserver", "dns"), slot=7)


def test_what_was_told_comes_back(tmp_path: Path) -> None:
    write(tmp_path / "a", TOLD)
    assert read(tmp_path / "a") == TOLD
    assert [path.name for path in (tmp_path / "a").iterdir() if path.name.startswith(".")] == []
    assert (tmp_path / "a" / "run").stat().st_mode & 0o777 == 0o700


def test_nobody_else_may_write_it_whatever_the_umask(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        write(tmp_path / "a", TOLD)
    finally:
        os.umask(umask)
    modes = [path.stat().st_mode & 0o022 for path in ((tmp_path / "a"), *(tmp_path / "a").iterdir())]
    assert modes == [0] * 3


def test_a_folder_without_a_platform_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=f"maru up --data-dir {tmp_path}"):
        read(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"node_name": 1}', '{"node_name":"n","port_offset":0,"more":1}', "\0"])
def test_a_damaged_file_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "site.json").write_text(text)
    with pytest.raises(Broken, match="damaged"):
        read(tmp_path)


def test_a_folder_in_a_file_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="data folder"):
        write(tmp_path / "file", TOLD)


@pytest.mark.parametrize("offset", [-1, 50_001])
def test_offsets_have_bounds(tmp_path: Path, offset: int) -> None:
    with pytest.raises(Invalid, match=r"0\.\.50000"):
        check(tmp_path, Told(node_name="n", port_offset=offset))


def test_the_longest_folder_that_is_let_through_still_holds_the_longest_socket() -> None:
    longest = next(n for n in range(107, 0, -1) if _is_let_through(n))
    assert len(f"/{'d' * (longest - 1)}/run/supervisor.sock") == 107


def test_no_ranges_overlap_whatever_the_slot() -> None:
    default = site(DEFAULT_DATA_DIR, Told(node_name="n", port_offset=0))
    sites = [default, *(site(Path("/srv/x"), Told(node_name="n", port_offset=0, slot=n)) for n in range(SLOTS))]
    pods = sorted(ip_network(here.pod_cidr) for here in sites)
    services = sorted(ip_network(here.service_cidr) for here in sites)
    for first, second in itertools.pairwise(sorted([*pods, *services])):
        assert not first.overlaps(second)
    for here in sites:
        assert ip_address(here.cluster_dns_ip) in ip_network(here.service_cidr)


def test_names_differ_by_folder_and_fit_the_kernel() -> None:
    here, there = (site(Path(f"/srv/{name}"), TOLD) for name in ("one", "two"))
    assert here.instance != there.instance
    assert here.bridge != there.bridge
    assert len(here.bridge) <= 15
    assert 0 <= first_slot(Path("/srv/one")) < SLOTS


def test_the_layout_gives_each_component_one_process() -> None:
    assert layout(one=False) == PROCESSES
    (parts,) = layout(one=True).values()
    assert list(layout(one=True)) == [ONE]
    assert sorted(parts) == sorted(set(itertools.chain(*PROCESSES.values())) - {"remote"})


def test_every_component_that_leaves_things_behind_is_asked_to_take_them_away() -> None:
    assert tuple(name for name, module in load(COMPONENTS) if hasattr(module, "tear_down")) == LEAVING


def test_only_keeps_what_the_chosen_stand_on_and_drops_idle_processes() -> None:
    chosen = layout(one=False, only=("dns",))
    assert list(chosen) == [CONTROL, "edge"]
    assert "apiserver" in chosen[CONTROL]
    assert "scheduler" not in chosen[CONTROL]
    with pytest.raises(Invalid, match="choose among"):
        layout(one=False, only=("nonsense",))


def test_only_brings_what_the_chosen_stand_on() -> None:
    assert {"engine", "network", "docker", "podman"} < set(layout(one=False, only=("podman",))["node"])
    for parts in PROCESSES.values():
        givers: dict[object, str] = {}
        for name, module in load(parts):
            met = {givers[kind] for kind in get_type_hints(module.Needs).values() if kind in givers}
            assert met - set(ALWAYS) == set(STANDS_ON.get(name, ()))
            givers |= dict.fromkeys(get_type_hints(module.Gives).values(), name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense: {}", "'nonsense'"),
        ("store: {}", "'store'"),
        ("network: {nonsense: 1}", "nonsense"),
        ("network: {mtu_bytes: 70000}", "mtu_bytes"),
        ("network: [", "configuration"),
        ("- 1", "mapping"),
    ],
)
def test_settings_that_are_wrong_are_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(Invalid, match=says):
        settings_of(tmp_path)


def test_settings_that_are_right_are_given(tmp_path: Path) -> None:
    assert settings_of(tmp_path) == {}
    (tmp_path / "config.yaml").write_text("network: {mtu_bytes: 1400}")
    assert settings_of(tmp_path) == {"network": {"mtu_bytes": 1400}}


def _is_let_through(length: int) -> bool:
    try:
        check(Path("/" + "d" * (length - 1)), TOLD)
    except Invalid:
        return False
    return True
