"""References complete as Docker completes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maru.wire.oci.digest import is_digest
from maru.wire.oci.reference import Reference, parse_reference

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "whole", "familiar"),
    [
        ("busybox", "docker.io/library/busybox:latest", "busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox"),
        ("team/app", "docker.io/team/app:latest", "team/app"),
        ("index.docker.io/team/app", "docker.io/team/app:latest", "team/app"),
        ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox"),
        ("localhost/app", "localhost/app:latest", "localhost/app"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app"),
        ("127.0.0.1:5000/a/b/c:v1", "127.0.0.1:5000/a/b/c:v1", "127.0.0.1:5000/a/b/c"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app"),
        ("maru.local/base", "maru.local/base:latest", "maru.local/base"),
        (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}", "busybox"),
        (f"busybox:1@{DIGEST}", f"docker.io/library/busybox:1@{DIGEST}", "busybox"),
        ("a__b/c-d.e", "docker.io/a__b/c-d.e:latest", "a__b/c-d.e"),
    ],
)
def test_names_complete(text: str, whole: str, familiar: str) -> None:
    reference = parse_reference(text)
    assert str(reference) == whole
    assert reference.familiar_name == familiar


BAD = [
    "",
    "Upper",
    "a b",
    "-a",
    "a-",
    "a..b",
    "a/",
    "/a",
    "a:",
    "a:-x",
    "a@",
    "a@sha256:12",
    "h:port/a",
    "a//b",
    "host.io/",
]
LONG = ["a:" + "x" * 129, "f" * 64, "a" * 256, f"a@{DIGEST.upper()}", "a@b@c"]


@pytest.mark.parametrize("text", [*BAD, *LONG])
def test_bad_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_reference(text)


PART = st.from_regex(r"[a-z0-9]+(?:[._-][a-z0-9]+)?", fullmatch=True).filter(lambda part: len(part) < 20)
DOMAIN = st.sampled_from(["docker.io", "localhost", "localhost:5000", "registry.example", "10.0.0.1:443"])
TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@given(DOMAIN, st.lists(PART, min_size=2, max_size=4), TAG)
def test_a_whole_reference_reads_back_as_itself(domain: str, parts: list[str], tag: str) -> None:
    reference = Reference(domain, "/".join(parts), tag)
    assert parse_reference(str(reference)) == reference


@given(st.text(max_size=80))
def test_any_text_is_a_reference_or_a_value_error(text: str) -> None:
    try:
        reference = parse_reference(text)
    except ValueError:
        return
    assert parse_reference(str(reference)) == reference
    assert reference.tag or is_digest(reference.digest)
