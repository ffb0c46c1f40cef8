"""What podman asks of containers, builds and networks, as the engine is asked for the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from maru.components.podman.api.edge import bug_answer
from maru.components.podman.model.build import build_query
from maru.components.podman.model.create import PodShare, create_body
from maru.components.podman.model.health import changed_check
from maru.components.podman.model.names import candidates, own_name
from maru.components.podman.model.networks import engine_body, network_value
from maru.components.podman.model.remembered import Remembered, of_host_config
from maru.components.podman.model.top import asked_columns, shown_processes
from maru.core.errors import Invalid, NotSupported
from maru.wire.libpod.faults import is_silence
from maru.wire.libpod.spec import ContainerSpec, Mount, NamedVolume, Namespace, NetworkOptions, Port

POD = PodShare("p" * 64, "i" * 64, ("ipc", "net", "uts"))


def body_of(share: PodShare | None = None, **asked: Any) -> tuple[dict[str, Any], Remembered]:
    remembered = Remembered()
    return create_body(ContainerSpec(image="x", **asked), "x:1", share, remembered), remembered


def test_a_container_of_a_pod_shares_what_the_pod_shares() -> None:
    host = body_of(POD)[0]["HostConfig"]
    infra = f"container:{POD.infra}"
    assert (host["NetworkMode"], host["IpcMode"], host["PidMode"], host["UTSMode"]) == (infra, infra, "", "")
    assert of_host_config(host).pod == POD.pod


def test_a_pod_that_shares_no_uts_namespace_gives_each_its_own() -> None:
    host = body_of(PodShare("p", "i", ("net",)))[0]["HostConfig"]
    assert (host["NetworkMode"], host["UTSMode"], host["IpcMode"]) == ("container:i", "private", "shareable")


def test_ports_are_the_pods_where_the_network_is() -> None:
    with pytest.raises(Invalid, match="network cannot be configured when it is shared with a pod"):
        body_of(POD, portmappings=[Port(80, 8080)])


def test_ranges_of_ports_are_told_one_by_one() -> None:
    ports = [Port(1111, 5000, "127.0.0.1", range=2), Port(53, protocol="tcp,udp")]
    bindings = body_of(portmappings=ports)[0]["HostConfig"]["PortBindings"]
    assert bindings["1112/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "5001"}]
    assert sorted(bindings) == ["1111/tcp", "1112/tcp", "53/tcp", "53/udp"]


def test_mounts_keep_podmans_wording_beside_what_is_mounted() -> None:
    mounts = [
        Mount("/a", "bind", "/etc/hosts", ["ro", "Z"]),
        Mount("/t", "tmpfs", "tmpfs", ["size=456k"]),
    ]
    body, remembered = body_of(mounts=mounts, volumes=[NamedVolume("v", "/v", ["noexec"])])
    bind, tmpfs, volume = body["HostConfig"]["Mounts"]
    assert remembered.binds == ["/etc/hosts:/a:ro,Z,rprivate,rbind", "v:/v:noexec,rw,rprivate,nosuid,nodev,rbind"]
    assert remembered.tmpfs == {"/t": "size=456k,rw,rprivate,nosuid,nodev,tmpcopyup"}
    assert (bind["ReadOnly"], bind["BindOptions"]["Propagation"]) == (True, "rprivate")
    assert tmpfs["TmpfsOptions"]["Options"] == [["size", "456k"], ["exec"], ["tmpcopyup"]]
    assert volume["VolumeOptions"]["MountFlags"] == ["noexec", "nosuid", "nodev"]


@pytest.mark.parametrize(
    "asked",
    [
        {"umask": "0077"},
        {"timeout": 5},
        {"rootfs": "/x"},
        {"userns": Namespace("keep-id")},
        {"netns": Namespace("slirp4netns")},
        {"mounts": [Mount("/a", "bind", "/b", ["U"])]},
        {"networks": {"n": NetworkOptions(interface_name="lan0")}},
        {"resource_limits": {"rdma": {"x": {}}}},
    ],
)
def test_what_is_not_done_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(NotSupported):
        body_of(**asked)


def test_what_podmans_client_sends_without_being_asked_is_taken() -> None:
    mappings = {"HostUIDMapping": True, "UIDMap": None, "GIDMap": None, "AutoUserNs": False}
    asked: dict[str, Any] = {
        "umask": "0022",
        "systemd": "true",
        "cgroups_mode": "enabled",
        "sdnotify_mode": "container",
    }
    body, _ = body_of(**asked, idmappings=mappings)
    assert body["Image"] == "x:1"


def test_short_names_are_localhosts_first_and_what_is_made_is_localhosts() -> None:
    assert list(candidates("app:1")) == ["localhost/app:1", "app:1"]
    assert list(candidates("quay.io/app")) == ["quay.io/app"]
    assert (own_name("app"), own_name("team/app"), own_name("localhost:5000/app")) == (
        "localhost/app",
        "localhost/team/app",
        "localhost:5000/app",
    )


def test_a_lease_range_is_the_range_it_stands_for() -> None:
    subnet = {"subnet": "10.11.13.0/24", "lease_range": {"start_ip": "10.11.13.1", "end_ip": "10.11.13.62"}}
    body = engine_body("n", {"subnets": [subnet]})
    assert body["IPAM"]["Config"] == [{"Subnet": "10.11.13.0/24", "IPRange": "10.11.13.0/26"}]
    shown = network_value(
        {"Name": "n", "Id": "1" * 64, "Driver": "bridge", "Created": "", "EnableIPv6": False, "Internal": False}
        | {"IPAM": body["IPAM"]},
        with_containers=False,
    )
    assert shown["subnets"] == [subnet]


def test_a_lease_range_that_is_none_in_cidr_is_refused() -> None:
    subnet = {"subnet": "10.0.0.0/24", "lease_range": {"start_ip": "10.0.0.3", "end_ip": "10.0.0.9"}}
    with pytest.raises(NotSupported):
        engine_body("n", {"subnets": [subnet]})


def test_a_health_check_is_changed_by_what_is_said_of_it() -> None:
    check = {"Test": ["CMD", "true"], "Interval": 5}
    assert changed_check(check, {"health_cmd": "ls", "health_timeout": "10s"}) == {
        "Test": ["CMD-SHELL", "ls"],
        "Interval": 5,
        "Timeout": 10_000_000_000,
    }
    assert changed_check(check, {"no_healthcheck": True}) == {"Test": ["NONE"]}
    assert changed_check(check, {}) is None


def test_processes_are_shown_by_podmans_descriptors_in_their_order() -> None:
    columns = asked_columns(["args,pid"])
    assert columns.arguments == "-eo pid,pid,args"
    listed = {"Titles": ["PID", "PID", "COMMAND"], "Processes": [["7", "7", "sleep 1"]]}
    assert shown_processes(listed, columns) == {"Titles": ["COMMAND", "PID"], "Processes": [["sleep 1", "7"]]}
    with pytest.raises(Invalid, match="unknown descriptor: shoe"):
        asked_columns(["shoe"])


def test_a_build_asks_the_engine_in_its_words() -> None:
    query = dict(
        build_query([("t", "app"), ("dockerfile", '["Containerfile"]'), ("layers", "false"), ("networkmode", "1")])
    )
    assert query == {
        "emptyok": "1",
        "secrets": "[]",
        "t": "localhost/app",
        "dockerfile": "Containerfile",
        "nocache": "1",
        "networkmode": "none",
    }
    with pytest.raises(NotSupported):
        build_query([("ssh", '["default"]')])


def test_a_registry_that_is_silent_is_told_from_one_that_refuses() -> None:
    assert is_silence('Get "https://quay.io/v2/": dial tcp: lookup quay.io: no such host')
    assert not is_silence("quay.io/x: manifest unknown")


def test_a_bug_is_told_in_podmans_form() -> None:
    request: Any = None  # nothing of it matters
    answer = bug_answer(request)
    said = {"cause": "internal error", "message": "internal error", "response": 500}
    assert isinstance(answer.body, bytes)
    assert (answer.status, msgspec.json.decode(answer.body)) == (500, said)
    assert answer.headers["Libpod-API-Version"]
