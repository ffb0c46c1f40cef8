"""Images as the Engine API shows them. Source: Docker Engine API v1.50, ImageList, ImageInspect."""

from __future__ import annotations

from maru.contracts.image_store import Image, ImageStore
from maru.core.clock import parse_rfc3339
from maru.core.document import Value
from maru.core.errors import NotFound
from maru.wire.docker.moments import ZERO
from maru.wire.oci.reference import parse_reference

# What dockerd says of an image even where it says nothing.
_CONFIG: Value = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}


async def size_of(images: ImageStore, image: Image) -> int:
    """Bytes of the files in its layers."""
    return sum(await images.layer_bytes(image))


def no_such_image(name: str) -> NotFound:
    """What is said of an image that is not here: names are shown with their tag."""
    try:
        shown = name if name.startswith("sha256:") else familiar(str(parse_reference(name)))
    except ValueError:
        shown = name
    return NotFound(what=f"No such image: {shown}", why="", fix="")


def familiar(name: str) -> str:
    """A full name as Docker shows it; a digest stays as it is."""
    if name.startswith("sha256:"):
        return name
    reference = parse_reference(name)
    version = f"@{reference.digest}" if reference.digest else f":{reference.tag}"
    return reference.familiar_name + version


def summary(image: Image, size_bytes: int) -> Value:
    """One of a list. size_bytes: of its unpacked layers."""
    return {
        "Id": image.id,
        "ParentId": image.parent,
        "RepoTags": [familiar(name) for name in image.names],
        "RepoDigests": [familiar(name) for name in image.digests],
        "Created": int(parse_rfc3339(image.created).timestamp()) if image.created else 0,
        "Size": size_bytes,
        "SharedSize": -1,
        "VirtualSize": size_bytes,
        "Labels": dict(image.config.labels),
        "Containers": -1,
    }


def details(image: Image, document: Value, size_bytes: int) -> Value:
    """All of one. document: its configuration as stored."""
    return {
        "Id": image.id,
        "RepoTags": [familiar(name) for name in image.names],
        "RepoDigests": [familiar(name) for name in image.digests],
        "Parent": image.parent,
        "Comment": (document.get("history") or [{}])[-1].get("comment") or "",
        "Container": document.get("container") or "",
        "ContainerConfig": document.get("container_config"),
        "DockerVersion": "",
        "Created": image.created,
        "Author": document.get("author") or "",
        "Architecture": image.architecture,
        "Variant": document.get("variant") or "",
        "Os": image.os,
        "Size": size_bytes,
        "VirtualSize": size_bytes,
        "Config": _CONFIG | (document.get("config") or {}),
        "GraphDriver": {"Name": "overlay2", "Data": None},
        "RootFS": {"Type": "layers", "Layers": list(image.layers)},
        "Metadata": {"LastTagTime": image.named_at or ZERO},
    }
