"""The pure rules of docker containers: what a request becomes, and what is refused in which words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from maru.components.docker.controllers.boxes import fresh_health
from maru.components.docker.model.commit import changed_config
from maru.components.docker.model.container import Container, Health, State, status_text
from maru.components.docker.model.create import read_wish
from maru.components.docker.model.events import Event, accepts
from maru.components.docker.model.failures import failure_of
from maru.components.docker.model.health import Check, check_of, judged
from maru.components.docker.model.host_config import Facts
from maru.components.docker.model.log_options import log_options
from maru.components.docker.model.mounts import bind_options, mount_points, tmpfs_binds
from maru.components.docker.model.resources import oci_resources
from maru.components.docker.model.restart import is_restarted, is_started_with_platform, next_delay_s
from maru.components.docker.model.security import security_of
from maru.contracts.image_store import ImageConfig
from maru.core.errors import Invalid, MaruError, NotSupported

FACTS = Facts(4, 8 << 30, True, False, {"crun": "/usr/bin/crun", "runc": "/usr/sbin/runc"}, "runc")
IMAGE = ImageConfig(
    entrypoint=("/entry",),
    command=("serve",),
    env=("PATH=/bin", "A=image"),
    labels={"from": "image"},
    volumes=("/data",),
)
ID = "ab" * 32


def wish(**body: Any) -> Any:
    return read_wish({"Image": "app", **body}, IMAGE, ID, FACTS)


def container(**changes: Any) -> Container:
    made = wish(**changes)
    return Container(ID, "name", "node", "2026-01-01T00:00:00Z", "app", "sha256:1", made.config, made.host_config)


def test_what_a_request_does_not_say_comes_from_the_image() -> None:
    config = wish(Env=["A=mine", "B"], Labels={"own": "1"}).config
    assert (config["Entrypoint"], config["Cmd"]) == (["/entry"], ["serve"])
    assert config["Env"] == ["A=mine", "B", "PATH=/bin"]
    assert config["Labels"] == {"from": "image", "own": "1"}
    assert config["Hostname"] == ID[:12]


def test_an_entrypoint_of_its_own_drops_the_images_command() -> None:
    assert wish(Entrypoint=["/mine"]).config["Cmd"] is None
    assert wish(Entrypoint=[""], Cmd=["sh"]).config["Entrypoint"] is None
    with pytest.raises(Invalid, match="no command specified"):
        wish(Entrypoint=[""])


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"Memory": 1000}, "Minimum memory limit allowed is 6MB"),
        ({"Memory": 32 << 20, "MemorySwap": 16 << 20}, "larger than memory limit"),
        ({"NanoCpus": 9_000_000_000}, "as there are only 4 CPUs available"),
        ({"RestartPolicy": {"Name": "often"}}, "unknown policy 'often'"),
        ({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 2}}, "can only be used with 'on-failure'"),
        ({"AutoRemove": True, "RestartPolicy": {"Name": "always"}}, "can't create 'AutoRemove'"),
        ({"Runtime": "gvisor"}, "unknown or invalid runtime name: gvisor"),
        ({"PidMode": "odd"}, "invalid PID mode: odd"),
        ({"LogConfig": {"Type": "asdf"}}, "logger: no log driver named 'asdf' is registered"),
        ({"LogConfig": {"Type": "json-file", "Config": {"nope": "1"}}}, "unknown log opt 'nope' for json-file"),
        ({"NetworkMode": "container:x", "PortBindings": {"80/tcp": []}}, "conflicting options: port publishing"),
        ({"DeviceRequests": [{"Capabilities": [["gpu"]]}]}, r"could not select device driver .* \[\[gpu\]\]"),
    ],
)
def test_host_settings_are_refused_in_dockerds_words(host: dict[str, Any], words: str) -> None:
    with pytest.raises(MaruError, match=words):
        wish(HostConfig=host)


def test_limits_become_those_of_the_runtime() -> None:
    host = wish(HostConfig={"Memory": 64 << 20, "NanoCpus": 1_500_000_000, "PidsLimit": 10}).host_config
    assert oci_resources(host, FACTS) == {
        "cpu": {"quota": 150_000, "period": 100_000},
        "memory": {"limit": 64 << 20, "swap": 128 << 20},
        "pids": {"limit": 10},
    }


def test_names_of_settings_are_read_in_any_case() -> None:
    assert wish(HostConfig={"CPURealtimePeriod": 1000}).host_config["CpuRealtimePeriod"] == 1000


def test_networks_called_default_are_the_bridge_and_come_first() -> None:
    networks = wish(NetworkingConfig={"EndpointsConfig": {"default": None, "other": {"Aliases": ["x"]}}}).networks
    assert networks == {"bridge": {}, "other": {"Aliases": ["x"]}}


def test_capabilities_are_added_and_dropped() -> None:
    assert "CAP_NET_ADMIN" in security_of({"CapAdd": ["net_admin"]}).capabilities
    assert security_of({"CapDrop": ["ALL"], "CapAdd": ["CHOWN"]}).capabilities == ["CAP_CHOWN"]
    with pytest.raises(Invalid, match="CAP_NOPE"):
        security_of({"CapAdd": ["nope"]})


def test_security_options() -> None:
    assert security_of({}).seccomp is not None
    assert security_of({"SecurityOpt": ["seccomp=unconfined", "no-new-privileges"]}).seccomp is None
    assert security_of({"SecurityOpt": ["no-new-privileges:true"]}).no_new_privileges
    assert security_of({"Privileged": True}).seccomp is None
    own = '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"},'
    own += '{"names":["bpf"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_BPF"]}}]}'
    profile = security_of({"SecurityOpt": [f"seccomp={own}"]}).seccomp
    assert profile is not None
    assert profile["syscalls"] == [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]
    with pytest.raises(NotSupported):
        security_of({"SecurityOpt": ["label=type:x"]})


def test_mounts_come_from_binds_mounts_volumes_and_other_containers() -> None:
    other = mount_points({"Volumes": None}, {"Binds": ["/src:/shared"]}, lambda _: ())
    config = wish().config
    host = {
        "Binds": ["named:/n:ro"],
        "Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 9}}],
        "VolumesFrom": ["other:ro"],
    }
    points = {point.destination: point for point in mount_points(config, host, lambda _: other)}
    assert sorted(points) == ["/data", "/n", "/shared", "/t"]
    assert points["/data"].is_anonymous
    assert (points["/n"].name, points["/n"].is_writable) == ("named", False)
    assert (points["/shared"].source, points["/shared"].is_writable) == ("/src", False)
    assert points["/t"].size_bytes == 9
    assert bind_options(points["/n"]) == ["rbind", "ro", "rprivate"]


def test_mounts_that_clash_or_are_malformed_are_refused() -> None:
    for host, words in (
        ({"Binds": ["/a:/x", "/b:/x"]}, "Duplicate mount point: /x"),
        ({"Mounts": [{"Type": "odd", "Target": "/x"}]}, "mount type unknown"),
        ({"Mounts": [{"Type": "bind", "Source": "rel", "Target": "/x"}]}, "mount path must be absolute"),
        ({"Binds": ["/a:rel"]}, "invalid volume specification"),
    ):
        with pytest.raises(Invalid, match=words):
            mount_points({"Volumes": None}, host, lambda _: ())


def test_tmpfs_options_keep_what_they_say() -> None:
    assert dict(tmpfs_binds({"Tmpfs": {"/run": "size=3M,exec"}})) == {"/run": ["nosuid", "nodev", "size=3M", "exec"]}


def test_restart_policies() -> None:
    always, on_failure = (
        container(HostConfig={"RestartPolicy": {"Name": "always"}}),
        container(HostConfig={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}),
    )
    assert is_restarted(always, State(exit_code=0))
    assert not is_restarted(always, State(is_stopped_by_user=True))
    assert not is_restarted(on_failure, State(exit_code=0))
    assert is_restarted(on_failure, State(exit_code=1, restart_count=1))
    assert not is_restarted(on_failure, State(exit_code=1, restart_count=2))
    assert is_started_with_platform(always, State("exited", is_stopped_by_user=True))
    unless = container(HostConfig={"RestartPolicy": {"Name": "unless-stopped"}})
    assert not is_started_with_platform(unless, State("exited", is_stopped_by_user=True))
    assert is_started_with_platform(unless, State("exited"))


def test_restarts_wait_longer_each_time_until_a_run_was_long() -> None:
    delays = [0.0]
    for _ in range(12):
        delays.append(next_delay_s(delays[-1], 0.5))
    assert delays[1:4] == [0.1, 0.2, 0.4]
    assert delays[-1] == 60.0
    assert next_delay_s(60.0, 11) == 0.1


def test_a_new_run_is_judged_anew_and_keeps_what_earlier_checks_said() -> None:
    state = State("running", health=Health("unhealthy", 3, [{"ExitCode": 1}]))
    fresh_health(state, has_check=True)
    assert state.health == Health("starting", 0, [{"ExitCode": 1}])
    fresh_health(state, has_check=False)
    assert state.health is None


def test_health_turns_bad_after_its_retries_and_good_at_once() -> None:
    check = check_of({"Healthcheck": {"Test": ["CMD-SHELL", "x"], "Retries": 2, "StartPeriod": 10**10}})
    assert check == Check(("/bin/sh", "-c", "x"), 30.0, 30.0, 10.0, 5.0, 2)
    assert check is not None
    bad, good = {"ExitCode": 1}, {"ExitCode": 0}
    in_start = judged(Health(), check, bad, 1.0)
    assert (in_start.status, in_start.failing_streak) == ("starting", 0)
    once = judged(in_start, check, bad, 11.0)
    assert (once.status, once.failing_streak) == ("starting", 1)
    twice = judged(once, check, bad, 12.0)
    assert twice.status == "unhealthy"
    assert judged(twice, check, good, 13.0).status == "healthy"
    assert check_of({"Healthcheck": {"Test": ["NONE"]}}) is None


@pytest.mark.parametrize(
    ("said", "command", "code", "words"),
    [
        ("executable file `x` not found in $PATH: No such file or directory", "x", 127, "not found in $PATH"),
        ('exec: "x": executable file not found in $PATH', "x", 127, "not found in $PATH"),
        ("open executable: Permission denied", "/etc/passwd", 126, "permission denied"),
        ("open executable: No such file or directory", "/nope", 127, "no such file or directory"),
        ("something else", "x", 128, "something else"),
    ],
)
def test_failed_starts_have_the_codes_the_client_looks_for(said: str, command: str, code: int, words: str) -> None:
    failure = failure_of(said, command)
    assert failure.code == code
    assert words in failure.words


def test_status_reads_as_docker_ps_shows_it() -> None:
    now = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
    started = "2026-01-01T00:00:00.000000000Z"
    assert status_text(State("running", started), now) == "Up 5 minutes"
    assert status_text(State("running", started, health=Health("starting")), now) == "Up 5 minutes (health: starting)"
    assert status_text(State("paused", started), now) == "Up 5 minutes (Paused)"
    assert status_text(State("exited", started, started, exit_code=3), now) == "Exited (3) 5 minutes ago"
    assert status_text(State(), now) == "Created"


def test_events_are_filtered_by_kind_action_actor_and_label() -> None:
    event = Event(datetime(2026, 1, 1, tzinfo=UTC), "container", "exec_create: ls", ID, {"name": "web", "a": "b"})
    for good in ({"type": ["container"]}, {"event": ["exec_create"]}, {"container": ["web"]}, {"container": [ID[:12]]}):
        assert accepts(good, event)
    for bad in ({"type": ["image"]}, {"event": ["die"]}, {"container": ["db"]}, {"label": ["a=c"]}):
        assert not accepts(bad, event)
    assert event.value()["timeNano"] == 1767225600000000000


def test_log_options_have_sizes_and_details() -> None:
    asked = {"Type": "json-file", "Config": {"max-size": "2m", "max-file": "3", "labels": "from"}}
    options = log_options(container(HostConfig={"LogConfig": asked}))
    assert (options.bytes_max, options.files_max, options.details) == (2 << 20, 3, "from=image")
    assert not log_options(container(HostConfig={"LogConfig": {"Type": "none"}})).is_kept


def test_commit_takes_change_lines() -> None:
    lines = ['CMD ["a", "b"]', "ENV X=1", "EXPOSE 80", "LABEL k=v", "USER 5", "ENTRYPOINT run it"]
    config = changed_config({"Env": ["X=0", "Y=2"], "Hostname": "h"}, {}, lines)
    assert config["Cmd"] == ["a", "b"]
    assert config["Env"] == ["Y=2", "X=1"]
    assert config["ExposedPorts"] == {"80/tcp": {}}
    assert config["Labels"] == {"k": "v"}
    assert config["Entrypoint"] == ["/bin/sh", "-c", "run it"]
    assert "Hostname" not in config
    with pytest.raises(ValueError, match="RUN is not a valid change command"):
        changed_config({}, {}, ["RUN x"])
