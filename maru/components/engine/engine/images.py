"""The image store: what there is, where it came from, and what may go.

Changes of the index are made in memory on the loop's thread and written before they are acknowledged.
Content nobody refers to is deleted at once, except what a running pull or a container stands on.
Source: contracts/image_store.py.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import chain
from pathlib import Path

from maru.components.engine.engine import archive as archives
from maru.components.engine.engine import base_image, committing
from maru.components.engine.engine.content import Content, disk_errors
from maru.components.engine.engine.index import Index, Stored, parse
from maru.components.engine.engine.pushing import Delivery
from maru.components.engine.engine.transfer import Order, Pulled, Transfer
from maru.contracts.image_store import LOCAL_DOMAIN, Commit, Image, ImageConfig, Progress, RegistryAuth
from maru.core.clock import rfc3339
from maru.core.errors import Conflict, Invalid, NotFound, Unavailable
from maru.core.log import Log
from maru.linux.files import reason_of
from maru.wire.oci.image import RunConfig, parse_image
from maru.wire.oci.manifest import platform_named, platform_of
from maru.wire.oci.reference import Reference

PROGRESS_QUEUE_MAX = 1024  # steps nobody has read; byte counts beyond it are dropped, never results
Report = Callable[[Progress], None]
StacksInUse = Callable[[], Sequence[Sequence[str]]]
ImagesInUse = Callable[[], Sequence[tuple[str, Sequence[str]]]]


class Images:
    """The contract `ImageStore`. stacks_in_use: the layer folders of every container, lowest first.

    images_in_use: the image of each with its folders; without it images of the same layers are used together.
    """

    def __init__(
        self,
        folder: Path,
        content: Content,
        transfer: Transfer,
        stacks_in_use: StacksInUse,
        images_in_use: ImagesInUse | None = None,
    ) -> None:
        self._folder = folder
        self._content = content
        self._index = Index(folder / "index.json")
        self._transfer = transfer
        self._stacks_in_use = stacks_in_use
        self._images_in_use = images_in_use or (lambda: [("", stack) for stack in stacks_in_use()])
        self._images: dict[str, Image] = {}
        self._writing = asyncio.Lock()
        self._log = Log("engine")

    async def open(self) -> None:
        """Read what there is; leftovers of a crash go."""
        await asyncio.to_thread(self._open_blocking)
        await self._collect()

    def find(self, reference: str) -> Image | None:
        stored = self._index.find(reference)
        return self._view(stored) if stored is not None else None

    def list(self) -> Sequence[Image]:
        return [self._view(stored) for stored in self._index.all()]

    def pull(self, reference: str, auth: RegistryAuth | None = None, platform: str = "") -> AsyncIterator[Progress]:
        async def work(report: Report) -> None:
            wanted = parse(reference)
            own = platform_of(os.uname().machine)
            target = platform_named(platform, own) if platform else own
            is_here = self._index.find(reference) is not None
            if wanted.domain == LOCAL_DOMAIN:
                _look_up(wanted, report, is_here=is_here)
                return
            with self._content.pinned() as pin:
                pulled = await self._transfer.pull(Order(wanted, auth or RegistryAuth(), target, is_here), report, pin)
                stored = self._keep(pulled)
                self._name(stored, wanted, pulled.top_digest)
                await self._save()

        return self._told(work)

    def push(self, reference: str, auth: RegistryAuth | None = None) -> AsyncIterator[Progress]:
        async def work(report: Report) -> None:
            wanted = parse(reference)
            stored = self._index.find(wanted.tagged) if not wanted.digest else None
            if stored is None:
                why = f"tag does not exist: {wanted.familiar_name}:{wanted.tag}"
                raise NotFound(what=why, why="", fix="")
            with self._content.pinned() as pin:
                pin(stored.manifest, *stored.blobs)
                delivery = Delivery(wanted, auth or RegistryAuth(), stored, _homes(self._index.all(), wanted))
                digest = await self._transfer.push(delivery, report)
                self._name(stored, Reference(wanted.domain, wanted.path, digest=digest), digest)
                await self._save()

        return self._told(work)

    def load(self, archive: str, platform: str = "") -> AsyncIterator[Progress]:
        async def work(report: Report) -> None:
            own = platform_of(os.uname().machine)
            wanted = archives.Wanted(platform_named(platform, own) if platform else own, is_only=bool(platform))
            await self._load(Path(archive), wanted, report)

        return self._told(work)

    async def save(self, references: Sequence[str]) -> AsyncIterator[bytes]:
        wanted = [(self._want(reference), reference) for reference in references]
        with self._content.pinned() as pin:
            for stored, _ in wanted:
                pin(stored.manifest, *stored.blobs)
            named = [(stored, _names_for(stored, reference)) for stored, reference in wanted]
            async for chunk in archives.written(self._content, named):
                yield chunk

    async def tag(self, source: str, target: str) -> None:
        stored = self._want(source)
        reference = parse(target)
        if reference.digest:
            raise Invalid(what=f"tag {target!r}", why="a digest cannot be a tag", fix="write repository:tag")
        is_new = reference.tagged not in stored.names
        self._name(stored, reference)
        if is_new:  # else only the moment is another, which is written with the next change
            await self._save()

    async def remove(self, reference: str, *, keep_used: bool = False, orphans: bool = False) -> Sequence[str]:
        stored = self._want(reference)
        untagged = self._names_meant(stored, reference)
        names_left = [name for name in (*stored.names, *stored.digests) if name not in untagged]
        tags_left = [name for name in stored.names if name not in untagged]
        children = self._index.children(stored.id)
        is_id = stored.id[7:].startswith(reference.removeprefix("sha256:"))
        if children and orphans and not tags_left:
            for child in children:
                child.parent = child.step = ""
                self._images.pop(child.id, None)
            children = ()
        if children and not tags_left and (is_id or not stored.names):
            raise Conflict(
                what=f"unable to delete {stored.id[7:19]} (cannot be forced)",
                why="image has dependent child images",
                fix="",
            )
        is_used = not tags_left and self.is_used(self._view(stored))
        if is_used and not keep_used:
            raise Conflict(what=f"image {reference}", why="a container uses it", fix="remove the container first")
        if tags_left or (names_left and not stored.names) or children or is_used:
            stored.names = tags_left
            stored.digests = [name for name in stored.digests if name not in untagged]
            await self._save()
            return untagged
        dropped = self._drop(stored)
        await self._save()
        gone = await self._collect()
        return [*untagged, *dropped, *gone]

    @property
    def content(self) -> Content:
        """Where its bytes are."""
        return self._content

    async def collect(self) -> None:
        """Delete content that neither an image, a container nor a holder refers to."""
        await self._collect()

    def is_used(self, image: Image) -> bool:
        stack = list(self.layer_paths(image))
        return any(used == image.id or (not used and list(layers) == stack) for used, layers in self._images_in_use())

    def layer_paths(self, image: Image) -> Sequence[str]:
        return [str(self._content.layer(diff_id)) for diff_id in image.layers]

    async def layer_bytes(self, image: Image) -> Sequence[int]:
        return await asyncio.to_thread(self._content.layer_bytes_blocking, image.layers)

    def document(self, image: Image) -> bytes:
        """The image's configuration as stored."""
        return self._content.blob(image.id).read_bytes()

    async def build_base(self, names: Sequence[str] = ()) -> Image:
        """The image of this machine's busybox, under `names`; the same busybox gives the same digest.

        Without names it gets the usual ones. Raises Unavailable when busybox is not installed.
        """
        wanted = [parse(name) for name in names or await base_image.names()]
        async with self._whole():
            with self._content.pinned() as pin:
                built = await base_image.build(self._content, platform_of(os.uname().machine), pin)
                stored = self._keep(built)
                for reference in wanted:
                    self._name(stored, reference)
                await self._save()
        return self._view(stored)

    async def commit(self, commit: Commit) -> Image:
        """One more layer on `commit.base`."""
        base = self._want(commit.base) if commit.base else None
        wanted = parse(commit.name) if commit.name else None
        async with self._whole():
            with self._content.pinned() as pin:
                pin(*(base.blobs if base else ()), *(base.layers if base else ()))
                made = await committing.made(self._content, base, commit, pin)
                stored = self._keep(made)
                if commit.step or commit.container:
                    stored.parent, stored.step = commit.base, commit.step
                if wanted is not None:
                    self._name(stored, wanted)
                await self._save()
        return self._view(stored)

    def _name(self, stored: Stored, reference: Reference, digest: str = "") -> None:
        self._index.name(stored, reference, digest)
        stored.named_at = rfc3339(self._transfer.clock.now())

    def _drop(self, stored: Stored) -> Sequence[str]:
        """Forget it, and what was built below it for nobody else."""
        dropped: list[str] = []
        below: Stored | None = stored
        while below is not None:
            self._index.drop(below.id)
            self._images.pop(below.id, None)
            dropped.append(below.id)
            below = self._index.find(below.parent) if below.parent else None
            if below is None or below.names or below.digests or self._index.children(below.id):
                break
            if self.is_used(self._view(below)):
                break
        return dropped

    async def _load(self, path: Path, wanted: archives.Wanted, report: Report) -> None:
        with self._content.pinned() as pin:
            async for loaded, names in archives.read(self._content, path, wanted, pin):
                stored = self._keep(loaded)
                references = [parse(name) for name in names]
                for reference in references:
                    self._name(stored, reference)
                await self._save()
                for reference in references:
                    report(Progress(status=f"Loaded image: {reference.familiar_name}:{reference.tag}"))
                if not names:
                    report(Progress(status=f"Loaded image ID: {stored.id}"))

    def _keep(self, pulled: Pulled) -> Stored:
        self._images.pop(pulled.image_id, None)
        return self._index.put(
            Stored(
                id=pulled.image_id,
                manifest=pulled.manifest_digest,
                blobs=list(pulled.blobs),
                layers=list(pulled.layers),
                size_bytes=pulled.size_bytes,
            )
        )

    def _view(self, stored: Stored) -> Image:
        known = self._images.get(stored.id)
        names, digests = tuple(stored.names), tuple(stored.digests)
        if known is not None and (known.names, known.digests, known.named_at) == (names, digests, stored.named_at):
            return known
        document = parse_image(self._content.blob(stored.id).read_bytes())
        image = Image(
            id=stored.id,
            names=names,
            digests=digests,
            layers=tuple(stored.layers),
            size_bytes=stored.size_bytes,
            config=config_of(document.config or RunConfig()),
            created=document.created or "",
            architecture=document.architecture,
            os=document.os,
            parent=stored.parent,
            step=stored.step,
            named_at=stored.named_at,
            manifest=stored.manifest,
        )
        self._images[stored.id] = image
        return image

    def _names_meant(self, stored: Stored, reference: str) -> Sequence[str]:
        digits = reference.removeprefix("sha256:")
        if stored.id[7:].startswith(digits):
            repositories = {parse(name).name for name in stored.names}
            if len(repositories) > 1:
                words = f"unable to delete {stored.id[7:19]} (must be forced)"
                raise Conflict(what=f"conflict: {words} - image is referenced in multiple repositories", why="", fix="")
            return [*stored.names, *stored.digests]
        named = parse(reference)
        if named.digest:
            return [f"{named.name}@{named.digest}"]
        last_of_repository = not [
            name for name in stored.names if name != named.tagged and parse(name).name == named.name
        ]
        digests = [digest for digest in stored.digests if digest.partition("@")[0] == named.name]
        return [named.tagged, *(digests if last_of_repository else [])]

    def _want(self, reference: str) -> Stored:
        stored = self._index.find(reference)
        if stored is None:
            raise NotFound(what=f"image {reference}", why="there is no such image here", fix="pull it")
        return stored

    @asynccontextmanager
    async def _whole(self) -> AsyncIterator[None]:
        """What is begun in it and not finished leaves no content; a disk that is full is said."""
        try:
            with disk_errors("image store"):
                yield
        except BaseException:
            with suppress(OSError):
                await asyncio.shield(self._collect())
            raise

    async def _told(self, work: Callable[[Report], Awaitable[None]]) -> AsyncIterator[Progress]:
        """Run `work` and yield what it reports; closing early cancels it."""
        queue: asyncio.Queue[Progress | None] = asyncio.Queue()

        def report(progress: Progress) -> None:
            if queue.qsize() < PROGRESS_QUEUE_MAX:
                queue.put_nowait(progress)

        async def all_of_it() -> None:
            try:
                async with self._whole():
                    await work(report)
            finally:
                queue.put_nowait(None)

        task = asyncio.create_task(all_of_it())
        try:
            while (progress := await queue.get()) is not None:
                yield progress
            await task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _save(self) -> None:
        async with self._writing:
            try:
                await asyncio.to_thread(self._index.save_blocking, self._index.encode())
            except OSError as error:
                await asyncio.to_thread(self._index.load_blocking)
                raise Unavailable(what="image store", why=reason_of(error), fix="", status=500) from error

    async def _collect(self) -> Sequence[str]:
        """Delete content nobody refers to; the layers that went."""
        async with self._writing:
            blobs: set[str] = set()
            layers: set[str] = set()
            for stored in self._index.all():
                blobs.update((stored.manifest, stored.id, *stored.blobs))
                layers.update(stored.layers)
            layers |= self._content.layers_among(chain.from_iterable(self._stacks_in_use()))
            return await asyncio.to_thread(self._content.keep_only_blocking, blobs, layers)

    def _open_blocking(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        self._content.open_blocking()
        self._index.load_blocking()
        for stored in self._index.all():
            paths = [self._content.blob(digest) for digest in (stored.manifest, stored.id, *stored.blobs)]
            paths += [self._content.layer(diff_id) for diff_id in stored.layers]
            missing = [str(path) for path in paths if not path.exists()]
            if missing:
                self._log.error("an image lost content and is forgotten", image=stored.id, missing=missing[0])
                self._index.drop(stored.id)


def _look_up(wanted: Reference, report: Report, *, is_here: bool) -> None:
    if not is_here:
        why = f"names under {LOCAL_DOMAIN} are looked up in this machine's own store only, and it is not there"
        fix = "make it with 'maru image build-base', 'maru image load' or 'maru image tag'"
        raise NotFound(what=f"image {wanted}", why=why, fix=fix)
    report(Progress(status=f"{wanted} is in this machine's own store"))


def config_of(config: RunConfig) -> ImageConfig:
    """The contract's view of an image's `config`."""
    return ImageConfig(
        entrypoint=tuple(config.entrypoint or ()),
        command=tuple(config.cmd or ()),
        env=tuple(config.env or ()),
        working_dir=config.working_dir or "",
        user=config.user or "",
        exposed_ports=tuple(config.exposed_ports or ()),
        volumes=tuple(config.volumes or ()),
        labels=config.labels or {},
        stop_signal=config.stop_signal or "",
        healthcheck=config.healthcheck or {},
        shell=tuple(config.shell or ()),
    )


def _names_for(stored: Stored, reference: str) -> Sequence[str]:
    """By name: that name goes into the archive; by id: none, as Docker does."""
    if stored.id[7:].startswith(reference.removeprefix("sha256:")):
        return ()
    named = parse(reference)
    return () if named.digest else (named.tagged,)


def _homes(images: Sequence[Stored], wanted: Reference) -> dict[str, str]:
    """For blobs that another repository of the same registry has: its path, by digest."""
    homes: dict[str, str] = {}
    for stored in images:
        for pulled in stored.digests:
            reference = parse(pulled)
            if reference.domain == wanted.domain and reference.path != wanted.path:
                homes.update(dict.fromkeys(stored.blobs, reference.path))
    return homes
