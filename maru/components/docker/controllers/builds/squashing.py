"""`--squash`: what a build's last stage added as one layer on the image it stands on.

The image of all the steps stays beside it, as what the next build finds again.
Source: Docker Engine API v1.50, ImageBuild `squash`; moby daemon/images/image_squash.go.
"""

from __future__ import annotations

import asyncio
from itertools import islice

from maru.components.docker.controllers.builds.work import Work
from maru.components.docker.engine.builds.merging import merge_blocking
from maru.components.docker.engine.changes import layer_blocking
from maru.contracts.image_store import Commit
from maru.core.clock import rfc3339_micro


async def squash(work: Work, image_id: str) -> str:
    """The id of the image with one layer in place of those above `work.beneath`. Raises Unavailable."""
    image = work.want(image_id)
    below = work.want(work.beneath) if work.beneath else None
    added = image.layers[len(below.layers) if below else 0 :]
    if not added:
        return image_id
    paths = work.dock.images.layer_paths(image)
    folder = work.new_path("")
    await asyncio.to_thread(merge_blocking, paths[-len(added) :], paths[: -len(added)], folder / "upper")
    layer = work.new_path(".tar")
    await asyncio.to_thread(layer_blocking, str(folder / "root"), str(layer))
    document = work.document(image)
    steps_below = len(work.document(below).get("history") or ()) if below else 0
    steps = islice(document.get("history") or (), steps_below, None)
    squashed = await work.dock.images.commit(
        Commit(
            base=work.beneath,
            layer=str(layer),
            config=document.get("config") or {},
            author=document.get("author") or "",
            comment=f"merge {image_id} to {work.beneath or 'scratch'}",
            created=rfc3339_micro(work.dock.clock.now()),
            created_by="",
            steps=[{**step, "empty_layer": True} for step in steps],
        )
    )
    await work.say({"aux": {"ID": squashed.id}})
    return squashed.id
