"""libpod's paths, errors and wishes, as its clients write and read them."""

from __future__ import annotations

import json

import pytest

from maru.wire.libpod.faults import NAME_TAKEN, NO_CONTAINER, NO_IMAGE, translated
from maru.wire.libpod.spec import read_container, read_pod
from maru.wire.libpod.versions import major_of, split_version


@pytest.mark.parametrize(
    ("path", "behind"),
    [
        ("/v5.8.0/libpod/containers/json", "/containers/json"),
        ("/v4.3.1/libpod/_ping", "/_ping"),
        ("/libpod/info", "/info"),
        ("/v1.41/containers/json", None),
        ("/_ping", None),
    ],
)
def test_paths_of_podman_are_told_from_dockers(path: str, behind: str | None) -> None:
    assert split_version(path) == behind


@pytest.mark.parametrize("version", ["3.4.4", "6.0.0"])
def test_a_version_that_is_not_spoken_is_refused_in_podmans_words(version: str) -> None:
    with pytest.raises(ValueError, match="given version is not supported"):
        split_version(f"/v{version}/libpod/info")


def test_the_major_version_is_that_of_the_path_or_the_newest() -> None:
    assert [major_of("/v4.3.1/libpod/info"), major_of("/libpod/info")] == [4, 5]


@pytest.mark.parametrize(
    ("said", "words", "cause"),
    [
        ("No such container: x", 'no container with name or ID "x" found: no such container', NO_CONTAINER),
        ("No such image: x:latest", "x:latest: image not known", NO_IMAGE),
        (
            'Conflict. The container name "/a" is already in use by container "b". You have to remove it.',
            'the container name "a" is in use: that name is already in use',
            NAME_TAKEN,
        ),
        ("something else", "something else", "something else"),
    ],
)
def test_errors_of_the_engine_have_podmans_words_and_cause(said: str, words: str, cause: str) -> None:
    assert translated(said) == (words, cause)


def test_names_of_a_wish_are_read_in_any_case_as_go_does() -> None:
    asked = {
        "Image": "x",
        "secrets": [{"Source": "tok", "Mode": 292}],
        "Networks": {"n": {"aliases": ["a"]}},
        "env": None,
    }
    spec = read_container(json.dumps(asked).encode())
    assert spec.secrets is not None
    assert spec.networks is not None
    network = spec.networks["n"]
    assert (spec.image, spec.secrets[0].source, spec.secrets[0].mode) == ("x", "tok", 0o444)
    assert network is not None
    assert (network.aliases, spec.env) == (["a"], None)


def test_a_wish_that_cannot_be_read_says_where() -> None:
    with pytest.raises(ValueError, match=r"failed to decode specgen.*terminal"):
        read_container(b'{"terminal": "perhaps"}')
    with pytest.raises(ValueError, match="failed to decode specgen"):
        read_pod(b"[")
