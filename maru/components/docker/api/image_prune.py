"""Images nobody uses: which there are, and what goes with them.

Bytes are those of layers that are gone afterwards, so what is told is what was freed.
Source: Docker Engine API v1.50, ImagePrune; moby daemon/images/image_prune.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from maru.components.docker.api.edge import filters_of, said
from maru.components.docker.api.image_views import familiar
from maru.components.docker.controllers.dock import Dock
from maru.contracts.image_store import LOCAL_DOMAIN, Image, ImageStore
from maru.core.clock import parse_rfc3339
from maru.core.document import Value
from maru.core.errors import Conflict, Invalid, NotFound
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.docker.filters import Filters, boolean, has_labels
from maru.wire.docker.moments import parse_moment
from maru.wire.oci.digest import is_digest

FILTERS = ("dangling", "label", "label!", "until")


@dataclass(frozen=True, slots=True)
class ImagePruneApi:
    """`docker image prune`, with -a and without."""

    dock: Dock

    def routes(self) -> Sequence[Route]:
        return (Route("POST", "/images/prune", self.prune),)

    async def prune(self, request: Request, _: str) -> Answer:
        """Dangling ones, or with dangling=false all that no container stands on, Pods' included."""
        filters = filters_of(request, FILTERS)
        images = self.dock.images
        try:
            is_dangling = boolean(filters, "dangling")
            until = parse_moment(filters["until"][0], self.dock.clock.now()) if filters.get("until") else None
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        before = await layer_sizes(images)
        gone: list[str] = []
        for image in _unused(images, is_dangling=is_dangling is not False):
            if not _is_meant(image, filters, until):
                continue
            for name in [each for each in image.names if not each.startswith(f"{LOCAL_DOMAIN}/")] or [image.id]:
                if name == image.id and image.names:
                    continue
                with suppress(Conflict, NotFound):
                    gone += await images.remove(name)
        left = {layer for image in images.list() for layer in image.layers}
        freed_bytes = sum(size for layer, size in before.items() if layer not in left)
        deleted = [_deleted(each) for each in dict.fromkeys(gone)]
        self.dock.events.publish("image", "prune", "", {"reclaimed": str(freed_bytes)})
        return json_answer({"ImagesDeleted": deleted or None, "SpaceReclaimed": freed_bytes})


async def layer_sizes(images: ImageStore, of: Sequence[Image] | None = None) -> Mapping[str, int]:
    """Bytes of every layer of `of` (all images), by its digest."""
    found: dict[str, int] = {}
    for image in images.list() if of is None else of:
        found |= zip(image.layers, await images.layer_bytes(image), strict=True)
    return found


def _unused(images: ImageStore, *, is_dangling: bool) -> Sequence[Image]:
    """Images that may go, those built upon others first."""
    everything = images.list()
    built_upon = {image.parent for image in everything}
    if is_dangling:
        some = [image for image in everything if not image.names and image.id not in built_upon]
    else:
        some = [image for image in everything if image.names or image.digests or image.id not in built_upon]
    return [image for image in sorted(some, key=lambda each: -len(each.layers)) if not images.is_used(image)]


def _is_meant(image: Image, filters: Filters, until: datetime | None) -> bool:
    if until is not None and (not image.created or parse_rfc3339(image.created) >= until):
        return False
    if not has_labels(image.config.labels, filters.get("label", ())):
        return False
    return not (filters.get("label!") and has_labels(image.config.labels, filters["label!"]))


def _deleted(each: str) -> Value:
    return {"Deleted": each} if is_digest(each) else {"Untagged": familiar(each)}
