"""Manifests, indexes, image configurations and registry challenges read as they are written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maru.wire.oci.challenge import Challenge, parse_challenges
from maru.wire.oci.image import parse_image
from maru.wire.oci.manifest import Index, Manifest, Platform, choose, parse_manifest, platform_of

DIGEST = "sha256:" + "ab" * 32
DESCRIPTOR = {"mediaType": "x", "digest": DIGEST, "size": 3}


def index(*platforms: tuple[str, str]) -> Index:
    entries = [
        DESCRIPTOR | {"size": number, "platform": {"os": "linux", "architecture": name, "variant": variant}}
        for number, (name, variant) in enumerate(platforms)
    ]
    found = parse_manifest(json.dumps({"schemaVersion": 2, "manifests": entries}).encode())
    assert isinstance(found, Index)
    return found


def test_manifest_and_index_are_told_apart_by_what_they_hold() -> None:
    manifest = parse_manifest(json.dumps({"schemaVersion": 2, "config": DESCRIPTOR, "layers": [DESCRIPTOR]}).encode())
    assert isinstance(manifest, Manifest)
    assert manifest.config.digest == DIGEST
    assert isinstance(index(("amd64", "")), Index)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"manifests": 3}', b'{"schemaVersion": 1}', b"\xff"])
def test_what_is_neither_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="manifest"):
        parse_manifest(body)


def test_platform_is_matched_by_variant_then_without_then_any() -> None:
    many = index(("amd64", ""), ("arm", "v6"), ("arm", "v7"))
    sizes = [
        chosen.size
        for platform in (Platform("amd64", "linux"), Platform("arm", "linux", "v7"), Platform("arm", "linux", "v5"))
        if (chosen := choose(many, platform))
    ]
    assert sizes == [0, 2, 1]
    assert choose(many, Platform("s390x", "linux")) is None


def test_machines_have_the_names_images_use() -> None:
    assert platform_of("x86_64") == Platform("amd64", "linux")
    assert platform_of("aarch64") == Platform("arm64", "linux", "v8")
    assert platform_of("riscv64").architecture == "riscv64"


def test_nulls_of_a_configuration_stand_for_absent() -> None:
    body = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": None, "Entrypoint": None, "Env": ["A=b"], "ExposedPorts": {"80/tcp": {}}},
        "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
    }
    image = parse_image(json.dumps(body).encode())
    assert image.config is not None
    assert (image.config.cmd, image.config.env, list(image.config.exposed_ports or ())) == (None, ["A=b"], ["80/tcp"])
    with pytest.raises(ValueError, match="configuration"):
        parse_image(b'{"architecture": "amd64"}')


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        (
            'Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push"',
            [
                (
                    "bearer",
                    {"realm": "https://auth.example/token", "service": "registry", "scope": "repository:a/b:pull,push"},
                )
            ],
        ),
        ("Basic realm=plain", [("basic", {"realm": "plain"})]),
        (
            'Basic realm="a \\"quoted\\" one", Bearer realm="r"',
            [("basic", {"realm": 'a "quoted" one'}), ("bearer", {"realm": "r"})],
        ),
        ("Negotiate", [("negotiate", {})]),
        ("", []),
    ],
)
def test_challenges_read(header: str, challenges: list[tuple[str, dict[str, str]]]) -> None:
    assert parse_challenges(header) == [Challenge(*each) for each in challenges]


@given(st.text(max_size=100))
def test_any_header_reads_without_error(header: str) -> None:
    for challenge in parse_challenges(header):
        assert challenge.scheme
