"""Images on their way: pull, push, load, import, export, commit, build.

Source: podman 5.5 API reference, "images"; pkg/api/handlers/libpod/images_pull.go, images_push.go,
compat/images_build.go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from maru.components.podman.api.edge import is_true, said, values
from maru.components.podman.api.streams import encoded
from maru.components.podman.api.views import Podman
from maru.components.podman.controllers.asking import Query, pieces
from maru.components.podman.controllers.manifests import Manifests
from maru.components.podman.model.build import build_query
from maru.components.podman.model.names import bare, own_name
from maru.contracts.image_store import Image
from maru.core.document import Value
from maru.core.errors import Invalid, MaruError, NotFound, NotSupported, Unavailable
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.libpod.faults import NO_IMAGE, is_silence
from maru.wire.oci.digest import is_digest
from maru.wire.oci.reference import parse_reference

_LINES = {"Content-Type": "application/json"}
POLICIES = ("", "always", "missing", "newer", "never")
FORMATS = ("", "docker-archive", "oci-archive")


@dataclass(frozen=True, slots=True)
class TransferApi:
    """Between here and elsewhere."""

    podman: Podman
    manifests: Manifests

    def routes(self) -> Sequence[Route]:
        return (
            Route("POST", "/images/pull", self.pull),
            Route("POST", "/images/load", self.load),
            Route("POST", "/images/import", self.take_in),
            Route("GET", "/images/export", self.export),
            Route("GET", "/images/{name}/get", self.export),
            Route("POST", "/images/{name}/push", self.push),
            Route("POST", "/commit", self.commit),
            Route("POST", "/build", self.build),
        )

    async def pull(self, request: Request, _: str) -> Answer:
        reference = request.query_get("reference").removeprefix("docker://")
        policy = request.query_get("policy").lower()
        if not reference:
            raise said(Invalid, "reference parameter cannot be empty")
        if policy not in POLICIES:
            raise said(Invalid, f'unsupported pull policy "{policy}"')
        if is_true(request, "allTags"):
            raise NotSupported(what="allTags is not supported", why="", fix="pull one tag after the other")
        known = self.podman.containers.find_image(reference)
        is_compatible = is_true(request, "compatMode")
        if policy == "never" and known is None:
            raise said(NotFound, reference, NO_IMAGE)
        if known is not None and policy in ("never", "missing") and not _platform(request):
            return Answer(200, encoded(_told(known, is_compatible=is_compatible)), _LINES)
        try:
            name = parse_reference(reference)
        except ValueError as error:
            raise said(Invalid, f"invalid reference {reference!r}: {error}") from error
        query = [("fromImage", str(name))]
        if platform := _platform(request):
            query.append(("platform", platform))
        try:
            answer = await self.podman.asking.answer("POST", "/images/create", query, outer=request)
        except MaruError as error:
            if known is not None and policy == "newer" and is_silence(str(error)):
                warning = {"stream": f"WARNING: {error}; the image that is here is taken\n"}
                return Answer(200, encoded(_told(known, is_compatible=is_compatible, before=[warning])), _LINES)
            words = f"initializing source docker://{name}: {error}"
            if is_compatible:
                raise said(Unavailable, words, status=500) from error
            return Answer(200, encoded(_failed(words)), _LINES)
        return Answer(200, encoded(self._pulled(answer, str(name), is_compatible=is_compatible)), _LINES)

    async def _pulled(self, answer: Answer, name: str, *, is_compatible: bool) -> AsyncIterator[Value]:
        if not is_compatible:
            yield {"stream": f"Trying to pull {name}...\n"}
        async for line in self.podman.asking.lines(answer):
            if line.get("error"):
                yield {"error": str(line["error"])}
                return
            if is_compatible:
                yield line
            elif str(line.get("status", "")) == "Pull complete":
                yield {"stream": f"Copying blob {line.get('id', '')} done\n"}
        image = self.podman.images.find(name)
        if image is None:
            yield {"error": f"{name}: {NO_IMAGE}"}
            return
        async for line in _told(image, is_compatible=is_compatible):
            yield line

    async def load(self, request: Request, _: str) -> Answer:
        answer = await self.podman.asking.answer("POST", "/images/load", outer=request)
        names = []
        async for line in self.podman.asking.lines(answer):
            if line.get("error"):
                raise said(Invalid, f"failed to load image: {line['error']}", status=500)
            loaded = str(line.get("stream") or "").strip().partition(": ")[2]
            image = self.podman.images.find(loaded) if loaded else None
            if image is not None:
                names.append(loaded if loaded.startswith("sha256:") else parse_reference(loaded).tagged)
        return json_answer({"Names": names})

    async def take_in(self, request: Request, _: str) -> Answer:
        query: list[tuple[str, str]] = [("fromSrc", request.query_get("url") or "-")]
        query += [("changes", change) for change in values(request, "changes")]
        if request.query_get("message"):
            query.append(("message", request.query_get("message")))
        reference = request.query_get("reference")
        if reference:
            query.append(("repo", own_name(reference)))
        answer = await self.podman.asking.answer("POST", "/images/create", query, outer=request)
        last = ""
        async for line in self.podman.asking.lines(answer):
            if line.get("error"):
                raise said(Invalid, f"unable to import tarball: {line['error']}", status=500)
            last = str(line.get("status") or last)
        image = self.podman.images.find(last)
        return json_answer({"Id": bare(image.id if image is not None else last)})

    async def export(self, request: Request, name: str) -> Answer:
        """A docker archive with an OCI layout in it, which is both."""
        if request.query_get("format") not in FORMATS:
            raise NotSupported(
                what=f"format {request.query_get('format')} is not supported", why="", fix="use docker-archive"
            )
        names = [name] if name else values(request, "references")
        targets = [self.podman.containers.engine_name(each) for each in names]
        if not targets:
            raise said(Invalid, "no image references provided")
        answer = await self.podman.asking.answer("GET", "/images/get", [("names", each) for each in targets])
        return Answer(200, pieces(answer), {"Content-Type": "application/x-tar"})

    async def push(self, request: Request, name: str) -> Answer:
        image = self.podman.containers.want_image(name)
        own = self.podman.containers.engine_name(name)
        destination = request.query_get("destination").removeprefix("docker://") or own
        try:
            target = parse_reference(destination).tagged
        except ValueError as error:
            raise said(Invalid, f"invalid destination {destination!r}: {error}") from error
        is_borrowed = target not in image.names
        if is_borrowed:
            await self.podman.images.tag(image.id, target)
        try:
            answer = await self.podman.asking.answer("POST", f"/images/{target}/push", outer=request)
            lines = [line async for line in self.podman.asking.lines(answer)]
        finally:
            if is_borrowed:
                await self.podman.images.remove(target)
        wrong = next((str(line["error"]) for line in lines if line.get("error")), "")
        digest = next((line["aux"]["Digest"] for line in lines if (line.get("aux") or {}).get("Digest")), "")
        return Answer(
            200, encoded(_pushed(target, digest, wrong, is_quiet=is_true(request, "quiet", default=True))), _LINES
        )

    async def commit(self, request: Request, _: str) -> Answer:
        if is_true(request, "squash"):
            raise NotSupported(what="squash is not supported", why="", fix="leave it out")
        view = await self.podman.containers.view(request.query_get("container"))
        query: list[tuple[str, str]] = [("container", view.id)]
        if request.query_get("repo"):
            query.append(("repo", own_name(request.query_get("repo"))))
        query += [(key, request.query_get(key)) for key in ("tag", "author", "comment") if request.query_get(key)]
        query += [("changes", change) for text in values(request, "changes") for change in text.split("\n") if change]
        query.append(("pause", str(int(is_true(request, "pause")))))
        made: Value = await self.podman.asking.value("POST", "/commit", query, {})
        return json_answer({"Id": bare(made["Id"])})

    async def build(self, request: Request, _: str) -> Answer:
        query: Query = build_query(request.query)
        answer = await self.podman.asking.answer("POST", "/build", query, outer=request)
        return Answer(200, encoded(self._built(answer, request.query_get("manifest"))), _LINES)

    async def _built(self, answer: Answer, manifest: str) -> AsyncIterator[Value]:
        """Texts only, and at the end the id on a line of its own."""
        image_id = ""
        async for line in self.podman.asking.lines(answer):
            if line.get("error"):
                yield {"error": str(line["error"])}
                return
            image_id = str((line.get("aux") or {}).get("ID") or image_id)
            text = str(line.get("stream") or line.get("status") or "").rstrip("\n")
            if is_digest(text):  # all that a quiet build says
                image_id = text
            elif text and not text.startswith("Successfully built"):
                yield {"stream": f"{text}\n"}
        if manifest:
            try:
                listed = self.manifests.find(manifest) or await self.manifests.create(manifest)
                await self.manifests.add(listed, [image_id])
            except MaruError as error:
                yield {"error": str(error)}
                return
        yield {"stream": f"{bare(image_id)}\n"}


async def _told(image: Image, *, is_compatible: bool, before: Sequence[Value] = ()) -> AsyncIterator[Value]:
    for line in before:
        yield {"status": line["stream"].strip()} if is_compatible else line
    if is_compatible:
        yield {"status": "Download complete", "progressDetail": {}, "id": bare(image.id)[:12]}
    else:
        yield {"images": [bare(image.id)], "id": bare(image.id)}


async def _failed(words: str) -> AsyncIterator[Value]:
    yield {"error": words}


async def _pushed(target: str, digest: str, wrong: str, *, is_quiet: bool) -> AsyncIterator[Value]:
    if wrong:
        yield {"error": wrong}
        return
    if not is_quiet:
        yield {"stream": f"Getting image source signatures\nWriting manifest to {target}\n"}
    yield {"manifestdigest": digest}


def _platform(request: Request) -> str:
    parts = [request.query_get(name) for name in ("OS", "Arch", "Variant")]
    if not any(parts):
        return ""
    return "/".join(part for part in [parts[0] or "linux", *parts[1:]] if part)
