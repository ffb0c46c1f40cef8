"""Environments of containers are sealed in documents, and processes of an exec are bound as the first one is."""

from __future__ import annotations

import msgspec
import pytest

from maru.components.docker.model.container import Container
from maru.components.docker.model.oci_spec import limits_of
from maru.components.docker.model.sealing import is_clear, opened, sealed_spec
from maru.core.identity.seal import RootKeySealer

KEY, OTHER = RootKeySealer(bytes(32)), RootKeySealer(b"\1" * 32)
ENTRIES = ["PASSWORD=geheim", "A=1"]


@pytest.fixture
def container() -> Container:
    return Container("1" * 64, "web", "here", "", "busybox", "", {"Env": list(ENTRIES), "Cmd": ["true"]}, {})


def read(spec: object) -> Container:
    return msgspec.convert(spec, Container)


def test_a_document_shows_no_variable(container: Container) -> None:
    spec = sealed_spec(container, KEY)
    assert b"geheim" not in msgspec.json.encode(spec)
    assert not is_clear(spec)
    assert container.config["Env"] == ENTRIES, "what is in memory was changed"
    back = read(spec)
    assert opened(back, KEY)
    assert (back.config["Env"], back.environment) == (ENTRIES, "")


def test_another_key_or_another_container_opens_nothing_and_loses_nothing(container: Container) -> None:
    spec = sealed_spec(container, KEY)
    for changed, key in ((spec, OTHER), (spec | {"id": "2" * 64}, KEY), (spec | {"environment": "?"}, KEY)):
        back = read(changed)
        assert not opened(back, key)
        assert sealed_spec(back, key)["environment"] == changed["environment"]


def test_a_document_of_an_earlier_version_is_read(container: Container) -> None:
    spec = msgspec.to_builtins(container)
    assert is_clear(spec)
    back = read(spec)
    assert opened(back, KEY)
    assert back.config["Env"] == ENTRIES


def test_limits_hold_for_every_process(container: Container) -> None:
    container.host_config = {"Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}]}
    assert limits_of(container) == {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}]}
    container.host_config = {"Ulimits": None}
    assert limits_of(container) == {}
