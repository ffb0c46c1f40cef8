"""Registries asked about images that are not here: what a name stands for there, who we are to it, what it has.

Source: Docker Engine API v1.50, DistributionInspect, SystemAuth, ImageSearch; OCI distribution specification 1.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from maru.contracts.image_store import RegistryAuth


@dataclass(frozen=True, slots=True)
class ImagePlatform:
    """Where an image runs. variant: v7, v8 and so on for arm, else ""."""

    os: str
    architecture: str
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Remote:
    """What a name stands for at its registry: an index or a manifest, and the platforms of its images."""

    media_type: str
    digest: str
    size_bytes: int
    platforms: tuple[ImagePlatform, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One repository that a search found. name: as one pulls it; stars: 0 where the registry counts none."""

    name: str
    description: str = ""
    stars: int = 0
    is_official: bool = False
    is_automated: bool = False


@dataclass(frozen=True, slots=True)
class RegistryRules:
    """How registries are reached. mirrors: addresses asked before Docker Hub; insecure: host[:port] or networks."""

    mirrors: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()


class RegistryClient(Protocol):
    """This machine's client of registries."""

    @property
    def rules(self) -> RegistryRules: ...

    async def describe(self, reference: str, auth: RegistryAuth | None = None) -> Remote:
        """What `reference` stands for, from the first of its mirrors and its registry that answers.

        Raises NotFound, Denied, RegistryUnreachable, Unavailable, Invalid.
        """
        ...

    async def log_in(self, domain: str, auth: RegistryAuth) -> str:
        """Try credentials at the registry `domain` ("" for Docker Hub); the identity token it gives, mostly "".

        Raises Denied, RegistryUnreachable, Unavailable.
        """
        ...

    async def search(self, term: str, count_max: int, auth: RegistryAuth | None = None) -> Sequence[Found]:
        """Repositories at the registry that `term` begins with (else the mirrors of Docker Hub, then the Hub).

        Raises NotFound (it cannot be searched), Denied, RegistryUnreachable, Unavailable.
        """
        ...
