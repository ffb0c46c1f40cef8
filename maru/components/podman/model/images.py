"""Images as podman shows them: full names, ids without their algorithm.

Source: podman 5.5, pkg/inspect/inspect.go, pkg/domain/entities/types; containers/common libimage/filters.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from maru.components.podman.model.names import bare
from maru.contracts.image_store import Image
from maru.core.clock import parse_rfc3339
from maru.core.document import Value
from maru.wire.docker.filters import Filters, boolean, has_labels
from maru.wire.docker.moments import parse_moment
from maru.wire.oci.reference import parse_reference

KNOWN = (
    *("before", "since", "after", "dangling", "label", "label!", "reference"),
    *("id", "intermediate", "readonly", "containers", "until", "manifest", "digest"),
)
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(image: Image) -> str:
    """Of its manifest, as its registry has it where it came from one."""
    return image.digests[0].partition("@")[2] if image.digests else image.manifest


def digests_of(image: Image) -> list[str]:
    """repository@digest; podman knows them of images that no registry has, too."""
    repositories = dict.fromkeys(parse_reference(name).name for name in image.names)
    return list(image.digests) or [f"{repository}@{image.manifest}" for repository in repositories if image.manifest]


def summary(image: Image, size_bytes: int, containers: int) -> Value:
    """One of a list."""
    return {
        "Id": bare(image.id),
        "ParentId": bare(image.parent),
        "RepoTags": list(image.names),
        "RepoDigests": digests_of(image),
        "Created": int(created_at(image).timestamp()),
        "Size": size_bytes,
        "SharedSize": 0,
        "VirtualSize": size_bytes,
        "Labels": dict(image.config.labels),
        "Containers": containers,
        "Names": list(image.names),
        "Digest": digest_of(image),
        "History": list(image.names),
        "Dangling": not image.names,
        "Arch": image.architecture,
        "Os": image.os,
        "IsManifestList": False,
    }


def details(image: Image, document: Value, size_bytes: int) -> Value:
    """All of one. document: its configuration as stored."""
    history = document.get("history") or []
    config = {name: value for name, value in (document.get("config") or {}).items() if value}
    shown: Value = {
        "Id": bare(image.id),
        "Digest": digest_of(image),
        "RepoTags": list(image.names),
        "RepoDigests": digests_of(image),
        "Parent": bare(image.parent),
        "Comment": (history or [{}])[-1].get("comment") or "",
        "Created": image.created or "1970-01-01T00:00:00Z",
        "Config": config,
        "Version": "",
        "Author": document.get("author") or "",
        "Architecture": image.architecture,
        "Os": image.os,
        "Size": size_bytes,
        "VirtualSize": size_bytes,
        "GraphDriver": {"Name": "overlay", "Data": {}},
        "RootFS": {"Type": "layers", "Layers": list(image.layers)},
        "Labels": dict(image.config.labels) or None,
        "Annotations": {},
        "ManifestType": MANIFEST,
        "User": image.config.user,
        "History": history,
        "NamesHistory": list(image.names),
    }
    if image.config.healthcheck:
        shown["Healthcheck"] = dict(image.config.healthcheck)
    return shown


def selected(
    images: Sequence[Image],
    filters: Filters,
    find: Callable[[str], Image],
    is_used: Callable[[Image], bool],
    now: datetime,
) -> list[Image]:
    """Those that every filter accepts. Raises ValueError, NotFound."""
    befores = [created_at(find(name)) for name in filters.get("before", ())]
    befores += [parse_moment(text, now) for text in filters.get("until", ())]
    sinces = [created_at(find(name)) for name in (*filters.get("since", ()), *filters.get("after", ()))]
    dangling, used = boolean(filters, "dangling"), boolean(filters, "containers")
    kept = []
    for image in images:
        created, labels = created_at(image), image.config.labels
        if any(created >= each for each in befores) or any(created <= each for each in sinces):
            continue
        if dangling not in (None, not image.names) or (used is not None and used != is_used(image)):
            continue
        if boolean(filters, "readonly") or boolean(filters, "manifest"):
            continue
        if not has_labels(labels, filters.get("label", ())):
            continue
        if any(has_labels(labels, [each]) for each in filters.get("label!", ())):
            continue
        if filters.get("id") and not any(bare(image.id).startswith(each) for each in filters["id"]):
            continue
        if filters.get("digest") and not any(digest_of(image).startswith(each) for each in filters["digest"]):
            continue
        if filters.get("reference") and not any(_is_meant(image, each) for each in filters["reference"]):
            continue
        kept.append(image)
    return kept


def created_at(image: Image) -> datetime:
    """When it was made; 1970 where it does not say."""
    return parse_rfc3339(image.created) if image.created else datetime.fromtimestamp(0, UTC)


def _is_meant(image: Image, pattern: str) -> bool:
    for name in (*image.names, *image.digests):
        reference = parse_reference(name)
        last = reference.path.rpartition("/")[2]
        short = reference.path.removeprefix("library/")
        for base in (reference.name, reference.familiar_name, short, last):
            version = f"@{reference.digest}" if reference.digest else f":{reference.tag}"
            if fnmatchcase(base, pattern) or fnmatchcase(base + version, pattern):
                return True
    return False
