"""Images: content by digest, pulled, imported and unpacked into layers that containers stack.

Source: OCI image specification 1.1 (manifest, config, layers), OCI distribution specification 1.1.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from maru.core.errors import Unavailable

LOCAL_DOMAIN = "maru.local"  # the registry part of names that mean this machine's own store: never asked over a network


class RegistryUnreachable(Unavailable):
    """The registry did not answer at all: no route, no name, refused, or silent; an answer that refuses is no such."""


@dataclass(frozen=True, slots=True)
class RegistryAuth:
    """Credentials for one registry: user and password, or an identity token; empty is anonymous."""

    username: str = ""
    password: str = ""
    identity_token: str = ""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says of the containers made from it. Source: OCI image config, `config`."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()  # NAME=value
    working_dir: str = ""
    user: str = ""  # name or uid, with :group if given
    exposed_ports: tuple[str, ...] = ()  # 80/tcp
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    healthcheck: Mapping[str, object] = field(default_factory=dict)
    shell: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """One image for this machine's platform.

    id: digest of the config (sha256:...). names: full references, tags first. digests: repository@digest.
    layers: digests of the unpacked layers, lowest first. size_bytes: compressed content.
    parent: id of the image it was built upon here; step: what a build made it from; both "" elsewhere.
    named_at: when it last got a name here, RFC 3339; "" for never. manifest: digest of its manifest.
    """

    id: str
    names: tuple[str, ...]
    digests: tuple[str, ...]
    layers: tuple[str, ...]
    size_bytes: int
    config: ImageConfig
    created: str = ""  # RFC 3339
    architecture: str = "amd64"
    os: str = "linux"
    parent: str = ""
    step: str = ""
    named_at: str = ""
    manifest: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a pull, a push or an import. layer: short digest or ""; done and total in bytes (0: unknown).

    digest: on the last step of a push, that of the manifest, whose size is total_bytes.
    """

    status: str
    layer: str = ""
    done_bytes: int = 0
    total_bytes: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Commit:
    """A container made an image. base: an image id, "" for none; layer: a tar file (it is taken over), "" for none.

    config: the OCI image configuration's `config` object; name: the reference it gets, "" for none.
    created_by: what its history says; container, container_config: the id of the one it was, and its configuration;
    step: of a build, so that the next one finds it again. With a container or a step it is a child of `base`.
    steps: what its history says before that.
    """

    base: str
    layer: str
    config: Mapping[str, object]
    name: str = ""
    author: str = ""
    comment: str = ""
    created: str = ""  # RFC 3339
    created_by: str = "commit"
    container: str = ""
    container_config: Mapping[str, object] = field(default_factory=dict)
    step: str = ""
    steps: Sequence[Mapping[str, object]] = ()


class ImageStore(Protocol):
    """The images of this machine, shared by Pods and docker containers."""

    def find(self, reference: str) -> Image | None:
        """By name (short names complete as Docker completes them), by repository@digest or by id."""
        ...

    def list(self) -> Sequence[Image]: ...

    def pull(self, reference: str, auth: RegistryAuth | None = None, platform: str = "") -> AsyncIterator[Progress]:
        """Fetch and unpack; digests are verified. After the last Progress `find` answers.

        platform: os/architecture[/variant], "" for this machine's; another one can be kept, sent on and looked at.
        Names under LOCAL_DOMAIN are only looked up. Raises NotFound, Denied (the registry refuses),
        RegistryUnreachable (at once when it is plain, within seconds when the image is here already),
        Unavailable (the registry cannot now), Invalid (digest).
        """
        ...

    def push(self, reference: str, auth: RegistryAuth | None = None) -> AsyncIterator[Progress]:
        """Send the image of a repository:tag to its registry, as it is stored; the last Progress has its digest.

        What the registry has is not sent again. Raises NotFound (no such image here), Denied,
        RegistryUnreachable, Unavailable, Invalid (the registry takes it not).
        """
        ...

    def load(self, archive: str, platform: str = "") -> AsyncIterator[Progress]:
        """Import a docker archive or an OCI layout (tar file, compressed or not, or folder) at a path.

        platform: of the images that are taken, "" for all (of an index this machine's). Raises NotFound, Invalid.
        """
        ...

    def save(self, references: Sequence[str]) -> AsyncIterator[bytes]:
        """The images as one docker archive with an OCI layout in it."""
        ...

    async def tag(self, source: str, target: str) -> None: ...

    async def remove(self, reference: str, *, keep_used: bool = False, orphans: bool = False) -> Sequence[str]:
        """Untag, and delete content nobody refers to; answers what was untagged and deleted.

        What a build left below it goes with it, up to the first image that has a name, another child or a
        container. One that others were built upon keeps its content and loses the name only. Raises Conflict
        when a container uses it (keep_used: then its names alone go), or when it is meant by its id and others were
        built upon it (orphans: then these stand on nothing, and it goes).
        """
        ...

    def document(self, image: Image) -> bytes:
        """The image's OCI configuration, as stored."""
        ...

    async def build_base(self, names: Sequence[str] = ()) -> Image:
        """The image of this machine's busybox, under `names` (none: the usual ones).

        Raises Unavailable when busybox is not installed.
        """
        ...

    async def commit(self, commit: Commit) -> Image:
        """A new image: that of `commit.base` with one more layer, durable when it returns. Raises Invalid."""
        ...

    def is_used(self, image: Image) -> bool:
        """True when a container stands on it, running or not."""
        ...

    async def layer_bytes(self, image: Image) -> Sequence[int]:
        """Bytes of the files of each unpacked layer, lowest first: what Docker calls an image's size, by layer."""
        ...

    def layer_paths(self, image: Image) -> Sequence[str]:
        """Read-only folders to stack with overlayfs, lowest first, each the layer's diff (overlay whiteouts)."""
        ...
