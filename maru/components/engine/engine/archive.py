"""Archives of images: docker's (manifest.json) and OCI layouts (index.json), read and written.

One written archive is both: blobs under blobs/ by algorithm, an OCI index, and docker's manifest.json that
points at the same blobs. A folder that is an OCI layout is read as it stands.
Source: OCI image specification 1.1, image-layout.md; Docker image specification 1.2, "Combined Image JSON".
"""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import tarfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from maru.components.engine.engine.content import READ_BYTES, Content, Pin, digest_of_blocking
from maru.components.engine.engine.index import Stored
from maru.components.engine.engine.transfer import Pulled
from maru.core.document import Value
from maru.core.errors import Invalid, NotFound
from maru.wire.oci.digest import algorithm_of, digest_of
from maru.wire.oci.image import parse_image
from maru.wire.oci.manifest import (
    NAME_ANNOTATION,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    REFERENCE_ANNOTATION,
    Descriptor,
    Index,
    Manifest,
    Platform,
    choose,
    parse_manifest,
)
from maru.wire.oci.reference import parse_reference

ENTRIES_MAX = 100_000
EXPANDED_BYTES_MAX = 64 << 30
Loaded = tuple[Pulled, Sequence[str]]


class _DockerEntry(msgspec.Struct, rename="pascal"):
    """One image of docker's manifest.json: paths in the archive, and names."""

    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """platform: of the image taken out of an index. is_only: images of other platforms are left out, wherever."""

    platform: Platform
    is_only: bool = False


async def read(content: Content, path: Path, wanted: Wanted, pin: Pin) -> AsyncIterator[Loaded]:
    """Import the images of an archive: each with the names it bears. Raises Invalid, NotFound."""
    folder = content.partial()
    try:
        if path.is_dir():
            source = path
        else:
            await asyncio.to_thread(_expand_blocking, path, folder)
            source = folder
        for manifest, names in await asyncio.to_thread(_images_blocking, source, wanted, str(path)):
            pulled = await asyncio.to_thread(_import_blocking, content, source, manifest, pin)
            for digest, diff_id in zip(pulled.blobs[1:], pulled.layers, strict=True):
                await content.unpack(digest, diff_id)
            yield pulled, names
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def written(content: Content, images: Sequence[tuple[Stored, Sequence[str]]]) -> AsyncIterator[bytes]:
    """The archive of images with the names to put in it, piece by piece."""
    documents = await asyncio.to_thread(_documents_blocking, content, images)
    digests = dict.fromkeys(digest for stored, _ in images for digest in (stored.manifest, *stored.blobs))
    for digest in digests:
        file = content.blob(digest)
        yield _header(_place(digest), file.stat().st_size)
        with file.open("rb") as stream:
            while chunk := await asyncio.to_thread(stream.read, READ_BYTES):
                yield chunk
        yield _padding(file.stat().st_size)
    for name, document in documents.items():
        yield _header(name, len(document)) + document + _padding(len(document))
    yield b"\0" * tarfile.BLOCKSIZE * 2


def _expand_blocking(path: Path, folder: Path) -> None:
    """Files, folders and links of the archive under `folder`, and nothing that leads out of it."""
    folder.mkdir(mode=0o700)
    count = expanded = 0
    try:
        with tarfile.open(path, "r:*") as tar:
            for member in tar:
                count += 1
                expanded += member.size
                if count > ENTRIES_MAX or expanded > EXPANDED_BYTES_MAX:
                    raise Invalid(what=f"archive {path.name}", why="it is too large", fix="")
                _put_member_blocking(tar, member, folder)
    except FileNotFoundError as error:
        raise NotFound(what=f"archive {path}", why="there is no such file", fix="") from error
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, KeyError, FileExistsError, IsADirectoryError) as error:
        words = "unexpected EOF" if path.stat().st_size < tarfile.BLOCKSIZE else f"archive/tar: {error}"
        why = words.partition("\n")[0].replace("file could not be opened successfully:", "invalid tar header")
        raise Invalid(what="Error processing tar file(exit status 1)", why=why, fix="", status=500) from error


def _put_member_blocking(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """By hand: the filters of tarfile came with Python 3.11.4, and Debian 12 has 3.11.2."""
    path = Path(os.path.normpath(folder / member.name.lstrip("/")))
    beside = path.parent if member.issym() else folder
    target = Path(os.path.normpath(beside / member.linkname)) if member.linkname else path
    for place in (path, path.parent.resolve() / path.name, target):
        if not place.is_relative_to(folder.resolve()) and not place.is_relative_to(folder):
            raise tarfile.TarError(f"{member.name} leads out of the archive")
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        path.mkdir(exist_ok=True)
        return
    path.unlink(missing_ok=True)
    if member.issym():
        path.symlink_to(member.linkname)
    elif member.islnk():
        path.hardlink_to(target)
    elif member.isreg():
        stream = tar.extractfile(member)
        assert stream is not None
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file, READ_BYTES)
    else:
        raise tarfile.TarError(f"{member.name} is neither a file nor a folder nor a link")


def _images_blocking(source: Path, wanted: Wanted, what: str) -> Sequence[tuple[Manifest, Sequence[str]]]:
    has_docker, has_layout = ((source / name).is_file() for name in ("manifest.json", "index.json"))
    try:
        # Only a layout has what is for other platforms than that of the machine which wrote the archive.
        if has_layout and (wanted.is_only or not has_docker):
            found = list(_layout_images(source, wanted.platform, what))
        elif has_docker:
            entries = msgspec.json.decode((source / "manifest.json").read_bytes(), type=list[_DockerEntry])
            found = [(_docker_manifest(source, entry), entry.repo_tags or []) for entry in entries]
        else:
            why = "it has neither manifest.json nor index.json"
            raise Invalid(what=f"archive {what}", why=why, fix="make it with `docker save` or as an OCI layout")
        kept = [each for each in found if not wanted.is_only or _is_for(source, each[0], wanted.platform)]
    except (ValueError, OSError, msgspec.MsgspecError) as error:
        raise Invalid(what=f"archive {what}", why=str(error), fix="") from error
    if found and not kept:
        raise NotFound(what=f"archive {what}", why=f"it has no image for {wanted.platform}", fix="")
    return kept


def _is_for(source: Path, manifest: Manifest, platform: Platform) -> bool:
    image = parse_image(_blob(source, manifest.config).read_bytes())
    is_same = (image.os, image.architecture) == (platform.os, platform.architecture)
    return is_same and (not image.variant or image.variant == platform.variant or not platform.variant)


def _docker_manifest(source: Path, entry: _DockerEntry) -> Manifest:
    def described(name: str, kind: str) -> Descriptor:
        file = _inside(source, name)
        return Descriptor(kind, digest_of_blocking(file), file.stat().st_size, annotations={"path": str(file)})

    layers = [described(name, OCI_LAYER) for name in entry.layers]
    return Manifest(described(entry.config, OCI_CONFIG), layers)


def _layout_images(source: Path, platform: Platform, what: str) -> Iterator[tuple[Manifest, Sequence[str]]]:
    top = parse_manifest((source / "index.json").read_bytes())
    if not isinstance(top, Index):
        raise ValueError("index.json is no index")
    for descriptor in top.manifests:
        found = parse_manifest(_blob(source, descriptor).read_bytes())
        if isinstance(found, Index):
            chosen = choose(found, platform)
            if chosen is None:
                raise NotFound(what=f"archive {what}", why=f"it has no image for {platform}", fix="")
            found = parse_manifest(_blob(source, chosen).read_bytes())
        if isinstance(found, Index):
            raise ValueError("an index within an index")
        yield found, _layout_names(descriptor)


def _layout_names(descriptor: Descriptor) -> Sequence[str]:
    # containerd writes the whole name; others only a tag, which names no repository.
    annotations = descriptor.annotations or {}
    name = annotations.get(NAME_ANNOTATION) or annotations.get(REFERENCE_ANNOTATION, "")
    if "/" not in name and ":" not in name:
        return []
    try:
        return [parse_reference(name).tagged]
    except ValueError:
        return []


def _import_blocking(content: Content, source: Path, manifest: Manifest, pin: Pin) -> Pulled:
    """Copy the blobs in, each checked; the manifest is written anew, so that it names what is stored."""
    blobs = (manifest.config, *manifest.layers)
    pin(*(blob.digest for blob in blobs))
    for blob in blobs:
        if content.blob(blob.digest).exists():
            continue
        fresh = content.partial()
        try:
            shutil.copyfile(_blob(source, blob), fresh)
            found = digest_of_blocking(fresh, algorithm_of(blob.digest))
            if found != blob.digest:
                raise Invalid(what=f"blob {blob.digest}", why=f"its content has digest {found}", fix="")
            content.adopt_blocking(fresh, found)
        except FileNotFoundError as error:
            raise Invalid(what=f"blob {blob.digest}", why="the archive does not hold it", fix="") from error
        finally:
            fresh.unlink(missing_ok=True)
    document = content.blob(manifest.config.digest).read_bytes()
    try:
        diff_ids = parse_image(document).rootfs.diff_ids
    except ValueError as error:
        raise Invalid(what="archive", why=str(error), fix="") from error
    if len(diff_ids) != len(manifest.layers):
        raise Invalid(what="archive", why="manifest and configuration differ in their layers", fix="")
    plain = [Descriptor(blob.media_type, blob.digest, blob.size) for blob in blobs]
    digest = content.put_blocking(_manifest_bytes(plain, manifest.media_type))
    pin(digest, digest_of(document), *diff_ids)
    image_id = content.put_blocking(document)
    size = sum(blob.size for blob in blobs)
    names = tuple(blob.digest for blob in blobs)
    return Pulled(image_id, digest, "", names, tuple(diff_ids), size)


def _manifest_bytes(blobs: Sequence[Descriptor], media_type: str) -> bytes:
    config, *layers = blobs
    document = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers}
    return msgspec.json.encode(document)


def _blob(source: Path, descriptor: Descriptor) -> Path:
    given = (descriptor.annotations or {}).get("path", "")
    if given and Path(given).is_relative_to(source):
        return Path(given)
    algorithm, _, digits = descriptor.digest.partition(":")
    return _inside(source, f"blobs/{algorithm}/{digits}")


def _inside(source: Path, name: str) -> Path:
    """A file an archive names, which must lie in it, also through its links. Raises ValueError."""
    file = (source / name).resolve()
    if not file.is_relative_to(source.resolve()) or not file.is_file():
        raise ValueError(f"{name}: not a file of the archive")
    return file


def _documents_blocking(content: Content, images: Sequence[tuple[Stored, Sequence[str]]]) -> dict[str, bytes]:
    entries: list[Value] = []
    manifests: list[Value] = []
    repositories: Value = {}  # of docker's first archives, whose readers still look for it
    for stored, names in images:
        config, *layers = stored.blobs
        entries.append({"Config": _place(config), "RepoTags": list(names) or None, "Layers": [*map(_place, layers)]})
        described = {
            "mediaType": OCI_MANIFEST,
            "digest": stored.manifest,
            "size": content.blob(stored.manifest).stat().st_size,
        }
        for name in names or ("",):
            tag = name.rpartition(":")[2]
            annotations = {"annotations": {NAME_ANNOTATION: name, REFERENCE_ANNOTATION: tag}} if name else {}
            manifests.append(described | annotations)
        for name in names:
            repository, _, tag = name.rpartition(":")
            repositories.setdefault(repository, {})[tag] = stored.id.partition(":")[2]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    return {
        "index.json": msgspec.json.encode(index),
        "manifest.json": msgspec.json.encode(entries),
        "oci-layout": msgspec.json.encode({"imageLayoutVersion": "1.0.0"}),
        "repositories": msgspec.json.encode(repositories),
    }


def _place(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    return entry.tobuf(tarfile.PAX_FORMAT)  # pax, for files over 8 GiB


def _padding(size: int) -> bytes:
    return b"\0" * (-size % tarfile.BLOCKSIZE)
