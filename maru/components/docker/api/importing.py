"""`docker import`: a file system in a tar, sent or named by its address, as an image of one layer.

Source: Docker Engine API v1.50, ImageCreate `fromSrc`; moby daemon/images/image_import.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from maru.components.docker.api.uploads import received
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.engine.download import fetch
from maru.components.docker.engine.plain_tar import plain_tar_blocking
from maru.components.docker.model.commit import changed_config
from maru.contracts.image_store import Commit
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.core.front.message import Request
from maru.wire.oci.digest import is_digest
from maru.wire.oci.reference import parse_reference

SENT = "-"


@dataclass(frozen=True, slots=True)
class Import:
    """What is asked for. source: an address, or SENT; name: the reference it gets, "" for none."""

    source: str
    name: str
    message: str
    changes: Sequence[str]

    @classmethod
    def of(cls, request: Request) -> Import:
        """Raises Invalid."""
        name, tag = request.query_get("repo"), request.query_get("tag")
        source = request.query_get("fromSrc")
        if name:
            try:
                if is_digest(name.partition("@")[2]):
                    raise ValueError("cannot import digest reference")
                reference = parse_reference(f"{name}:{tag}" if tag else name)
            except ValueError as error:
                raise Invalid(what=str(error), why="", fix="") from error
            name = reference.tagged
        changes = [value for key, value in request.query if key == "changes"]
        try:
            changed_config({}, {}, changes)
        except ValueError as error:
            raise Invalid(what=str(error), why="", fix="") from error
        return cls(source, name, request.query_get("message") or f"Imported from {source}", changes)


async def imported(dock: Dock, uploads: Path, request: Request) -> AsyncIterator[Value]:
    """Take the archive and make the image; the last line names it. Raises Invalid, Unavailable before the first."""
    wanted = Import.of(request)
    archive, layer = uploads / f"{dock.ids.uid()}.import", uploads / f"{dock.ids.uid()}.tar"
    try:
        if wanted.source == SENT:
            await received(request, archive)
        else:
            address = wanted.source if "://" in wanted.source else f"http://{wanted.source}"
            yield {"status": f"Downloading from {address}"}
            await fetch(address, archive)
        await asyncio.to_thread(plain_tar_blocking, archive, layer)
        config = changed_config({}, {}, wanted.changes)
        commit = Commit("", str(layer), config, wanted.name, "", wanted.message, dock.now(), created_by="")
        image = await dock.images.commit(commit)
        dock.events.publish("image", "import", image.id, {"name": image.id})
        yield {"status": image.id}
    finally:
        for file in (archive, layer):
            await asyncio.to_thread(file.unlink, missing_ok=True)
