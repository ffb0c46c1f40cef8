"""Which images a list shows. Source: Docker Engine API v1.50, ImageList `filters`; moby daemon/images/images.go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from maru.contracts.image_store import Image
from maru.core.clock import parse_rfc3339
from maru.wire.docker.filters import Filters, boolean, has_labels
from maru.wire.docker.moments import parse_moment
from maru.wire.oci.reference import parse_reference

KINDS = ("before", "dangling", "label", "reference", "since", "until")


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Every kind given must accept; of references any may. dangling: None for either.

    before, since: made before and after these moments; None for either.
    """

    references: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    dangling: bool | None = None
    before: datetime | None = None
    since: datetime | None = None

    @classmethod
    def of(cls, filters: Filters, now: datetime, created: Callable[[str], datetime]) -> ImageFilter:
        """created: when the image was made that `before` or `since` names. Raises ValueError."""
        befores = [created(name) for name in filters.get("before", ())]
        befores += [parse_moment(text, now) for text in filters.get("until", ())]
        sinces = [created(name) for name in filters.get("since", ())]
        return cls(
            tuple(filters.get("reference", ())),
            tuple(filters.get("label", ())),
            boolean(filters, "dangling"),
            min(befores) if befores else None,
            max(sinces) if sinces else None,
        )

    def accepts(self, image: Image) -> bool:
        """Whether the list shows it."""
        if self.dangling is not None and self.dangling != (not image.names):
            return False
        if self.before is not None and created_at(image) >= self.before:
            return False
        if self.since is not None and created_at(image) <= self.since:
            return False
        if not has_labels(image.config.labels, self.labels):
            return False
        return not self.references or any(self._is_meant(name) for name in (*image.names, *image.digests))

    def shown(self, image: Image) -> Image:
        """The image with the names that were asked for only."""
        if not self.references:
            return image
        names = tuple(name for name in image.names if self._is_meant(name))
        return replace(image, names=names, digests=tuple(name for name in image.digests if self._is_meant(name)))

    def _is_meant(self, name: str) -> bool:
        return any(_is_named(name, wanted) for wanted in self.references)


def created_at(image: Image) -> datetime:
    """When it was made; 1970 where it does not say."""
    return parse_rfc3339(image.created) if image.created else datetime.fromtimestamp(0, UTC)


def _is_named(name: str, pattern: str) -> bool:
    reference = parse_reference(name)
    version = f"@{reference.digest}" if reference.digest else f":{reference.tag}"
    spellings = (reference.familiar_name, f"{reference.familiar_name}{version}", reference.name, name)
    return any(fnmatchcase(spelling, pattern) for spelling in spellings)
