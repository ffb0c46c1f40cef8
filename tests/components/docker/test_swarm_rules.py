"""Rules of swarm mode: specifications, placement, templates, endpoints, the containers of tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from maru.components.docker.engine.swarm_ca import join_secret, join_token, make_authority_blocking, unlock_key
from maru.components.docker.engine.swarm_key import SwarmKey
from maru.components.docker.model.swarm import listing
from maru.components.docker.model.swarm.cluster import read_wish
from maru.components.docker.model.swarm.containers import Attachment, create_body
from maru.components.docker.model.swarm.endpoints import allocated_addresses, allocated_ports
from maru.components.docker.model.swarm.entries import Entry, entry_of, new_id
from maru.components.docker.model.swarm.placement import NodeFacts, parse_constraints, refusal
from maru.components.docker.model.swarm.specs import flow_of, is_changed, read_spec, template_of, with_defaults
from maru.components.docker.model.swarm.templates import Context, expand
from maru.core.errors import Invalid, NotSupported

NODE = NodeFacts(
    "n1", "Host", "manager", "active", "192.0.2.1", {"disk": "ssd"}, {"os": "x"}, "linux", "x86_64", 2_000_000_000, 1 << 30
)  # fmt: skip
CONTEXT = Context(
    "sid", "web", {"tier": "front"}, "n1", "host", "linux", "x86_64", "tid", "web.2.tid", 2, {"disk": "ssd"}
)


def body(**more: Any) -> dict[str, Any]:
    return {"Name": "web", "TaskTemplate": {"ContainerSpec": {"Image": "busybox"}}, **more}


def entry(name: str, ports: list[dict[str, Any]]) -> Entry:
    return Entry(f"id-{name}", 1, "", "", {"Name": name}, {"Endpoint": {"Ports": ports}})


def test_a_specification_is_made_whole() -> None:
    spec = read_spec(body(Mode={"replicated": {"Replicas": 3}}, UpdateConfig=None))
    assert spec["Mode"] == {"Replicated": {"Replicas": 3}}
    assert "UpdateConfig" not in spec
    assert spec["TaskTemplate"]["ForceUpdate"] == 0
    assert read_spec(body())["Mode"] == {"Replicated": {"Replicas": 1}}
    assert with_defaults(spec)["UpdateConfig"]["FailureAction"] == "pause"
    assert flow_of(read_spec(body(UpdateConfig={"Parallelism": 0})), is_rollback=False)["Parallelism"] == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"Name": ""}, "meta: name must be provided"),
        ({"Name": "a b"}, "name must be valid as a DNS name component"),
        ({"Name": "a" * 64}, "name must be 63 characters or fewer"),
        ({"TaskTemplate": {}}, "TaskSpec: missing runtime"),
        ({"TaskTemplate": {"ContainerSpec": {"Dir": "/"}}}, "ContainerSpec: image reference must be provided"),
        ({"UpdateConfig": {"Delay": -1}}, "update-delay cannot be negative"),
        ({"UpdateConfig": {"Order": "x"}}, "unrecognized update order x"),
        ({"Mode": {"Global": {}, "Replicated": {}}}, "exactly one mode"),
        (
            {"EndpointSpec": {"Mode": "dnsrr", "Ports": [{"TargetPort": 80, "PublishedPort": 80}]}},
            "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
        ),
    ],
)
def test_a_bad_specification_is_refused_in_swarms_words(more: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words.replace("(", r"\(")) as caught:
        read_spec(body(**more))
    assert str(caught.value).startswith("rpc error: code = InvalidArgument desc = ")


def test_what_is_not_done_is_said() -> None:
    with pytest.raises(NotSupported):
        read_spec(body(TaskTemplate={"Runtime": "plugin", "PluginSpec": {}}))


def test_only_what_tasks_are_made_from_makes_them_stale() -> None:
    def made(spec: dict[str, Any]) -> dict[str, Any]:
        return {"template": template_of(spec), "endpoint": spec.get("EndpointSpec") or {}}

    first = read_spec(body(Labels={"a": "b"}))
    assert not is_changed(made(first), made(read_spec(body(Mode={"Replicated": {"Replicas": 9}}))))
    template = {"ContainerSpec": {"Image": "busybox"}, "Placement": {"Constraints": ["node.role==manager"]}}
    assert not is_changed(made(first), made(read_spec(body(TaskTemplate=template))))
    assert is_changed(made(first), made(read_spec(body(TaskTemplate={**template, "ForceUpdate": 1}))))
    assert is_changed(made(first), made(read_spec(body(Networks=[{"Target": "n"}]))))


@pytest.mark.parametrize(
    ("constraint", "holds"),
    [
        ("node.role==manager", True),
        ("node.role != manager", False),
        ("node.hostname == host", True),
        ("node.labels.disk==ssd", True),
        ("node.labels.other!=x", True),
        ("engine.labels.os==x", True),
        ("node.platform.arch==amd64", True),
        ("node.platform.os==windows", False),
        ("node.ip==192.0.2.1", True),
    ],
)
def test_constraints_mean_what_they_say(constraint: str, holds: bool) -> None:
    assert all(each.holds(NODE) for each in parse_constraints([constraint])) is holds


@pytest.mark.parametrize("constraint", ["node.role", "node.what==x", "node.role=manager", "node.id=="])
def test_bad_constraints_are_refused(constraint: str) -> None:
    with pytest.raises(ValueError, match=r"constraint|value"):
        parse_constraints([constraint])


def test_a_node_refuses_what_it_cannot_take() -> None:
    big = {"Resources": {"Reservations": {"MemoryBytes": 2 << 30}}}
    assert refusal(NODE, {}, "s", ()) == ""
    assert refusal(replace(NODE, availability="pause"), {}, "s", ()) == "1 node not available for new tasks"
    assert refusal(NODE, big, "s", ()) == "insufficient resources on 1 node"
    assert refusal(
        replace(NODE, reserved_nano_cpus=2_000_000_000), {"Resources": {"Reservations": {"NanoCPUs": 1}}}, "s", ()
    )
    taken = replace(NODE, ports=frozenset({("tcp", 80)}))
    assert refusal(taken, {}, "s", [("tcp", 80)]) == "host-mode port already in use on 1 node"
    full = replace(NODE, replicas={"s": 2})
    assert refusal(full, {"Placement": {"MaxReplicas": 2}}, "s", ()) == "max replicas per node limit exceed"
    platform = {"Placement": {"Platforms": [{"Architecture": "arm64", "OS": "linux"}]}}
    assert refusal(NODE, platform, "s", ()) == "unsupported platform on 1 node"


def test_templates_are_filled_in_and_unknown_ones_refused() -> None:
    text = (
        '{{.Service.Name}}-{{ .Task.Slot }}-{{.Node.Hostname}}-{{index .Service.Labels "tier"}}-{{.Node.Labels.disk}}'
    )
    assert expand(text, CONTEXT) == "web-2-host-front-ssd"
    assert expand("no template", CONTEXT) == "no template"
    assert expand('{{env "A"}}', CONTEXT, lambda kind, name: f"{kind} {name}") == "env A"
    for bad in ("{{.Task.Nothing}}", '{{env "A"}}', "{{range .}}"):
        with pytest.raises(ValueError, match="unknown expression"):
            expand(bad, CONTEXT)


def test_a_tasks_container_is_what_its_specification_says() -> None:
    container = {
        "Image": "busybox",
        "Command": ["sh"],
        "Args": ["-c", "true"],
        "Env": ["SLOT={{.Task.Slot}}"],
        "Hosts": ["192.0.2.9 db other"],
        "Labels": {"own": "1"},
        "Mounts": [{"Type": "volume", "Source": "data-{{.Task.Slot}}", "Target": "/data"}],
        "StopGracePeriod": 1_500_000_000,
        "Privileges": {"NoNewPrivileges": True, "Seccomp": {"Mode": "unconfined"}},
        "CapabilityAdd": ["CAP_NET_ADMIN"],
    }
    template = {
        "ContainerSpec": container,
        "Resources": {"Limits": {"NanoCPUs": 5, "Pids": 7}},
        "LogDriver": {"Name": "none"},
    }
    ports = [{"TargetPort": 80, "Protocol": "tcp", "PublishedPort": 8080, "PublishMode": "host"}]
    made = create_body(template, {"Ports": ports}, [Attachment("id", "net", ["tasks.web"], {})], CONTEXT)
    host = made["HostConfig"]
    assert (made["Entrypoint"], made["Cmd"], made["Env"], made["StopTimeout"]) == (
        ["sh"],
        ["-c", "true"],
        ["SLOT=2"],
        2,
    )
    assert made["Labels"]["com.docker.swarm.task.id"] == "tid"
    assert made["Labels"]["own"] == "1"
    assert host["Mounts"][0]["Source"] == "data-2"
    assert host["ExtraHosts"] == ["db:192.0.2.9", "other:192.0.2.9"]
    assert host["PortBindings"] == {"80/tcp": [{"HostPort": "8080"}]}
    assert host["SecurityOpt"] == ["seccomp=unconfined", "no-new-privileges=true"]
    assert (host["NanoCpus"], host["PidsLimit"], host["LogConfig"]["Type"]) == (5, 7, "none")
    assert host["NetworkMode"] == "net"
    assert made["NetworkingConfig"]["EndpointsConfig"]["net"]["Aliases"] == ["tasks.web"]


def test_ports_are_given_kept_and_never_shared() -> None:
    spec = read_spec(body(EndpointSpec={"Ports": [{"TargetPort": 80}, {"TargetPort": 81}]}))
    given = allocated_ports(
        spec, [], "s", [entry("other", [{"Protocol": "tcp", "PublishedPort": 30000, "PublishMode": "ingress"}])]
    )
    assert [port["PublishedPort"] for port in given] == [30001, 30002]
    assert allocated_ports(spec, given, "s", []) == given
    wanted = read_spec(body(EndpointSpec={"Ports": [{"TargetPort": 80, "PublishedPort": 30001}]}))
    with pytest.raises(Invalid, match="port '30001' is already in use by service 'one'"):
        allocated_ports(wanted, [], "s", [entry("one", given)])


def test_virtual_addresses_come_from_the_end_of_the_range_and_stay() -> None:
    first = allocated_addresses({"n": "10.0.1.0/29"}, [], {"n": {"10.0.1.6"}})
    assert first == [{"NetworkID": "n", "Addr": "10.0.1.5/29"}]
    assert allocated_addresses({"n": "10.0.1.0/29"}, first, {}) == first
    with pytest.raises(Invalid, match="could not find an available IP"):
        allocated_addresses({"n": "10.0.1.0/30"}, [], {"n": {"10.0.1.2"}})


def test_lists_show_what_filters_mean() -> None:
    service = Entry("abc", 1, "", "", {"Name": "web", "Labels": {"a": "b"}, "Mode": {"Global": {}}}, {})
    assert listing.accepts_service(service, {"name": ["we"], "mode": ["global"], "label": ["a=b"]})
    assert not listing.accepts_service(service, {"mode": ["replicated"]})
    with pytest.raises(ValueError, match="Invalid filter"):
        listing.accepts_service(service, {"mode": ["x"]})
    task = {"ID": "t1", "DesiredState": "running", "ServiceID": "abc", "NodeID": "n", "Spec": {}}
    assert listing.accepts_task(task, "web.1", {"service": ["abc"]}, {"desired-state": ["running"]})
    assert not listing.accepts_task(task, "web.1", {"service": []}, {"service": ["nothing"]})


def test_a_swarm_is_asked_for_with_an_address_that_is_there() -> None:
    addresses = [("lo", "127.0.0.1"), ("eth0", "192.0.2.7")]
    assert read_wish({}, addresses).address == "192.0.2.7"
    assert read_wish({"AdvertiseAddr": "eth0:2377"}, addresses).address == "192.0.2.7"
    assert read_wish({"AdvertiseAddr": "127.0.0.1", "ListenAddr": "0.0.0.0:999"}, addresses).address == "127.0.0.1"
    for bad in ({"AdvertiseAddr": "nosuch"}, {"DataPathPort": 80}, {"DefaultAddrPool": ["x"]}, {"Availability": "x"}):
        with pytest.raises(Invalid):
            read_wish(bad, addresses)


def test_ids_and_tokens_have_their_form() -> None:
    made = {new_id(f"{number:032x}") for number in range(50)}
    assert len(made) == 50
    assert all(len(each) == 25 and each[0].isalpha() for each in made)
    authority = make_authority_blocking(datetime(2026, 1, 1, tzinfo=UTC))
    token = join_token(authority.certificate, join_secret())
    assert token.startswith("SWMTKN-1-")
    assert [len(part) for part in token.split("-")[2:]] == [50, 25]
    assert unlock_key().startswith("SWMKEY-1-")


def test_a_locked_key_opens_with_its_unlock_key_alone(tmp_path: Path) -> None:
    key = SwarmKey(tmp_path / "swarm")
    plain = key.make_blocking()
    assert key.read_blocking() == plain
    key.lock_blocking(plain, "SWMKEY-1-right")
    assert key.is_locked
    assert not any(plain in path.read_bytes() for path in (tmp_path / "swarm").iterdir())
    with pytest.raises(Invalid):
        key.unlock_blocking("SWMKEY-1-wrong")
    assert key.unlock_blocking("SWMKEY-1-right") == plain
    key.keep_open_blocking(plain)
    assert not key.is_locked


def test_a_document_made_by_hand_is_read_all_the_same() -> None:
    document = {
        "metadata": {"name": "x", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {},
    }
    read = entry_of(document)
    assert (read.id, read.index, read.created) == ("x", 7, "2026-01-01T00:00:00Z")
