"""What a build is asked for, what its arguments mean, what instructions make of a configuration."""

from __future__ import annotations

import base64

import pytest

from maru.components.docker.model.builds.arguments import Arguments
from maru.components.docker.model.builds.config import Draft, change
from maru.components.docker.model.builds.options import is_this, read_options
from maru.contracts.image_store import RegistryAuth
from maru.core.errors import Invalid, NotSupported
from maru.wire.dockerfile.lines import DockerfileError
from maru.wire.dockerfile.stages import parse

HERE = "linux/amd64"


def drafted(*lines: str) -> tuple[Draft, list[str]]:
    """A draft after these instructions, and what the history says of them."""
    draft = Draft()
    steps = parse("\n".join(("FROM x", *lines))).stages[0].steps
    told = [change(draft, step, draft.environment, "\\") for step in steps]
    return draft, [line.removeprefix("/bin/sh -c #(nop)  ") for line in told]


def test_instructions_change_the_configuration_and_the_history_names_them() -> None:
    draft, told = drafted(
        "ENV A=1 B=2", "ENV A=${B}3", "EXPOSE 80 90-91/udp", 'CMD ["a", "b c"]', "USER $A", "VOLUME /x /y"
    )
    assert draft.config == {
        "Env": ["A=23", "B=2"],
        "ExposedPorts": {"80/tcp": {}, "90/udp": {}, "91/udp": {}},
        "Cmd": ["a", "b c"],
        "User": "23",
        "Volumes": {"/x": {}, "/y": {}},
    }
    assert told == [
        *("ENV A=1 B=2", "ENV A=23", "EXPOSE 80/tcp 90/udp 91/udp"),
        *('CMD ["a" "b c"]', "USER 23", "VOLUME [/x /y]"),
    ]


def test_an_entrypoint_forgets_a_command_from_below_and_keeps_its_own() -> None:
    draft = Draft({"Cmd": ["below"]})
    (entrypoint,) = parse("FROM x\nENTRYPOINT run it").stages[0].steps
    change(draft, entrypoint, {}, "\\")
    assert draft.config == {"Entrypoint": ["/bin/sh", "-c", "run it"]}
    own, _ = drafted("CMD own", 'SHELL ["/bin/ash", "-c"]', "ENTRYPOINT run")
    assert (own.config["Cmd"], own.config["Entrypoint"]) == (["/bin/sh", "-c", "own"], ["/bin/ash", "-c", "run"])


def test_health_checks_have_durations() -> None:
    draft, _ = drafted('HEALTHCHECK --interval=1m30s --timeout=250ms --start-period=2h CMD ["a"]')
    assert draft.config["Healthcheck"] == {
        "Test": ["CMD", "a"],
        "Interval": 90 * 10**9,
        "Timeout": 250 * 10**6,
        "StartPeriod": 7200 * 10**9,
    }


@pytest.mark.parametrize("line", ["EXPOSE x", "STOPSIGNAL SIGNO", "HEALTHCHECK --interval=5 CMD a", 'VOLUME [""]'])
def test_instructions_that_mean_nothing_are_refused(line: str) -> None:
    with pytest.raises(DockerfileError):
        drafted(line)


def test_arguments_are_seen_where_they_are_declared() -> None:
    arguments = Arguments({"GIVEN": "g", "LATE": "l", "http_proxy": "p"})
    arguments.declare_before("GIVEN", "d")
    arguments.declare_before("PLAIN", "d")
    assert arguments.before() == {"GIVEN": "g", "PLAIN": "d"}
    assert arguments.declared() == {}
    arguments.declare("PLAIN", None)
    arguments.declare("NEVER", None)
    assert arguments.declared() == {"PLAIN": "d"}
    assert arguments.of_run() == {"PLAIN": "d", "http_proxy": "p"}
    assert arguments.unused() == ["LATE"]
    arguments.open_stage()
    assert arguments.declared() == {}


def test_options_come_out_of_the_query() -> None:
    config = base64.b64encode(b'{"https://index.docker.io/v1/": {"username": "u", "password": "p"}}').decode()
    query = [("t", "a"), ("t", "b:1"), ("t", "a"), ("buildargs", '{"A": null}'), ("rm", "0"), ("memory", "9")]
    query += [("extrahosts", "x:1.2.3.4"), ("extrahosts", "y:::1"), ("networkmode", "none"), ("cachefrom", '["c"]')]
    options = read_options(query, HERE, config)
    assert (options.tags, options.arguments, options.cache_from) == (("a", "b:1"), {"A": None}, ("c",))
    assert (options.is_removed, options.is_uncached, options.dockerfile) == (False, False, "Dockerfile")
    assert options.host_config["ExtraHosts"] == ["x:1.2.3.4", "y:::1"]
    assert (options.host_config["NetworkMode"], options.host_config["Memory"]) == ("none", 9)
    assert options.auth_for("docker.io") == RegistryAuth("u", "p")
    assert options.auth_for("elsewhere") is None


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("version", "2", NotSupported),
        ("remote", "git://x", NotSupported),
        ("platform", "linux/s390x", NotSupported),
        ("platform", "foobar", Invalid),
        ("buildargs", "[", Invalid),
        ("memory", "much", Invalid),
    ],
)
def test_options_that_cannot_be_kept_are_refused(name: str, value: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        read_options([(name, value)], HERE, "")


def test_platforms_go_by_several_names() -> None:
    assert all(is_this(name, HERE) for name in ("linux", "amd64", "linux/amd64", "Linux/x86_64", "linux/amd64/v1"))
    assert not any(is_this(name, HERE) for name in ("windows", "arm64", "linux/arm64"))
