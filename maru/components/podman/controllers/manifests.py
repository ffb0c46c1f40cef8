"""Manifest lists: names for several images, each for a machine of its own.

Source: containers/common libimage/manifest_list.go; OCI image specification 1.1, image-index.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from maru.components.podman.controllers.containers import Containers
from maru.components.podman.model.definitions import Listed, ManifestList
from maru.components.podman.model.images import digest_of
from maru.components.podman.model.names import own_name
from maru.contracts.content_store import ContentStore
from maru.contracts.image_store import Image
from maru.core.document import Value
from maru.core.errors import AlreadyExists, Invalid, NotFound
from maru.core.ids import Ids
from maru.core.kept import Kept
from maru.wire.libpod.faults import NO_IMAGE
from maru.wire.oci.reference import parse_reference

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LIST = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True, slots=True)
class Manifests:
    """All of them."""

    kept: Kept[ManifestList]
    containers: Containers
    content: ContentStore
    ids: Ids

    def find(self, reference: str) -> ManifestList | None:
        """By name, id, or the beginning of an id."""
        everything = self.kept.list()
        names = {_full(reference), reference}
        found = next((each for each in everything if each.name in names or each.id == reference), None)
        if found is None and len(reference) >= 12:
            found = next((each for each in everything if each.id.startswith(reference)), None)
        return found

    def want(self, reference: str) -> ManifestList:
        """Raises NotFound."""
        found = self.find(reference)
        if found is None:
            raise NotFound(what=f"{reference}: {NO_IMAGE}", why="", cause=NO_IMAGE)
        return found

    async def create(self, name: str) -> ManifestList:
        """An empty one. Raises Invalid, AlreadyExists."""
        full = _full(name)
        if not full:
            raise Invalid(what=f"invalid image name {name!r}: invalid reference format", why="")
        if self.find(full) is not None or self.containers.images.find(full) is not None:
            cause = "image name is already in use"
            raise AlreadyExists(what=f"{full}: {cause}", why="", cause=cause)
        listed = ManifestList((self.ids.uid() + self.ids.uid()).replace("-", ""), full)
        await self.kept.create({"metadata": {"name": listed.id[:32]}, "spec": msgspec.to_builtins(listed)})
        return listed

    async def add(self, listed: ManifestList, references: Sequence[str], more: Value | None = None) -> ManifestList:
        """Images that are here. more: arch, os and so on, to be said instead. Raises NotFound."""
        entries = list(listed.entries)
        for reference in references:
            entry = await self.entry(self.containers.want_image(reference))
            entry = _changed(entry, more or {})
            entries = [*(each for each in entries if each.digest != entry.digest), entry]
        return await self._write(listed, entries)

    async def drop(self, listed: ManifestList, digests: Sequence[str]) -> ManifestList:
        """Raises NotFound."""
        for digest in digests:
            if all(each.digest != digest for each in listed.entries):
                raise NotFound(what=f"no instance matching {digest!r} found in manifest list", why="", status=400)
        return await self._write(listed, [each for each in listed.entries if each.digest not in digests])

    async def annotate(self, listed: ManifestList, digests: Sequence[str], more: Value) -> ManifestList:
        """What is said of some of its images."""
        entries = [_changed(each, more) if each.digest in digests else each for each in listed.entries]
        return await self._write(listed, entries)

    async def remove(self, listed: ManifestList) -> None:
        """The list; its images stay."""
        await self.kept.delete("", listed.id[:32])

    async def entry(self, image: Image) -> Listed:
        """An image as one of a list."""
        text = b"".join([chunk async for chunk in self.content.read(image.manifest)])
        kind = str(msgspec.json.decode(text).get("mediaType") or MANIFEST)
        return Listed(digest_of(image), kind, len(text), image.architecture, image.os)

    async def _write(self, listed: ManifestList, entries: Sequence[Listed]) -> ManifestList:
        changed = msgspec.structs.replace(listed, entries=list(entries))
        return await self.kept.patch("", listed.id[:32], {"spec": msgspec.to_builtins(changed)})


def shown(entries: Sequence[Listed], annotations: dict[str, str] | None = None) -> Value:
    """As an inspect shows a list."""
    rows = []
    for entry in entries:
        platform: Value = {"architecture": entry.architecture, "os": entry.os}
        for name, value in (("variant", entry.variant), ("os.version", entry.os_version)):
            if value:
                platform[name] = value
        row: Value = {"mediaType": entry.media_type, "size": entry.size, "digest": entry.digest, "platform": platform}
        rows.append(row | ({"annotations": entry.annotations} if entry.annotations else {}))
    return {"schemaVersion": 2, "mediaType": LIST, "manifests": rows, "annotations": annotations or None}


def _full(name: str) -> str:
    try:
        return parse_reference(own_name(name)).tagged
    except ValueError:
        return ""


def _changed(entry: Listed, more: Value) -> Listed:
    fields = {"arch": "architecture", "os": "os", "variant": "variant", "os_version": "os_version"}
    changes: Value = {field: str(more[name]) for name, field in fields.items() if more.get(name)}
    given = more.get("annotations") or more.get("annotation") or {}
    if given:
        pairs = [each.partition("=")[::2] for each in given] if isinstance(given, list) else list(given.items())
        changes["annotations"] = {**entry.annotations, **dict(pairs)}
    for name in ("features", "os_features"):
        if more.get(name):
            changes[name] = list(more[name])
    return msgspec.structs.replace(entry, **changes)
