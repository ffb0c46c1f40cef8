"""Image references as people write them and as registries want them.

`busybox` means docker.io/library/busybox:latest: the first part is a registry only when it has a dot,
a colon or an upper-case letter, or is `localhost`. Source: the reference grammar of
github.com/distribution/reference and Docker's "familiar names".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from maru.wire.oci.digest import is_digest

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
NAME_CHARACTERS_MAX = 255

_LEGACY_DOMAIN = "index.docker.io"
_OFFICIAL = "library/"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_IDENTIFIER = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A complete reference. domain: registry host, with port if given; path: lower case; tag or digest may be ""."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The repository with its registry: docker.io/library/busybox."""
        return f"{self.domain}/{self.path}"

    @property
    def tagged(self) -> str:
        """Name and tag, `latest` if none was given."""
        return f"{self.name}:{self.tag or DEFAULT_TAG}"

    @property
    def familiar_name(self) -> str:
        """The repository as Docker shows it: busybox, team/app, registry.example/app."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        rest = self.path.removeprefix(_OFFICIAL)
        return self.path if "/" in rest else rest

    @property
    def version(self) -> str:
        """What the registry is asked for: the digest if there is one, else the tag."""
        return self.digest or self.tag or DEFAULT_TAG

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """Complete `text` as Docker does; a name with neither tag nor digest gets tag `latest`.

    Raises ValueError with Docker's own words when it is no reference.
    """
    if _IDENTIFIER.fullmatch(text):
        raise ValueError(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    rest, _, digest = text.partition("@")
    if "@" in text and not is_digest(digest):
        raise ValueError(f"invalid reference format: {text!r} has a malformed digest")
    domain, rest = _split_domain(rest)
    path, colon, tag = rest.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise ValueError(f"invalid reference format: {text!r} has a malformed tag")
    if path.lower() != path:
        raise ValueError(f"invalid reference format: repository name ({path}) must be lowercase")
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = _OFFICIAL + path
    if not _PATH.fullmatch(path) or not _DOMAIN.fullmatch(domain):
        raise ValueError("invalid reference format")
    if len(domain) + 1 + len(path) > NAME_CHARACTERS_MAX:
        raise ValueError(f"repository name must not be more than {NAME_CHARACTERS_MAX} characters")
    return Reference(domain, path, tag or ("" if digest else DEFAULT_TAG), digest)


def is_path(text: str) -> bool:
    """Whether `text` may name a repository at its registry."""
    return len(text) <= NAME_CHARACTERS_MAX and _PATH.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether `text` may be a tag."""
    return _TAG.fullmatch(text) is not None


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost" or first.lower() != first):
        return DEFAULT_DOMAIN, text
    return (DEFAULT_DOMAIN if first == _LEGACY_DOMAIN else first), rest
