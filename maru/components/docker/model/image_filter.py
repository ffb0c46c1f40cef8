"""Which images a list shows. Source: Docker Engine API v1.47, ImageList `filters`."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

import msgspec

from maru.contracts.image_store import Image
from maru.core.errors import Invalid, NotSupported
from maru.wire.oci.reference import parse_reference

KINDS = frozenset({"reference", "label", "dangling"})


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Every kind given must accept; of one kind any value may. dangling: None for either."""

    references: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    dangling: bool | None = None

    @classmethod
    def parse(cls, text: str) -> ImageFilter:
        """From the query's JSON: {"reference": ["busy*"]}, or the older {"reference": {"busy*": true}}.

        Raises Invalid for what cannot be read, NotSupported for kinds that are not served.
        """
        try:
            given = msgspec.json.decode(text or "{}", type=dict[str, list[str] | dict[str, bool]])
        except msgspec.MsgspecError as error:
            raise Invalid(what="filters", why=str(error), fix="send a JSON object of lists") from error
        unknown = set(given) - KINDS
        if unknown:
            raise NotSupported(what=f"filter {min(unknown)!r}", why="images cannot be filtered by it", fix="")
        dangling = [value.lower() in ("1", "true") for value in given.get("dangling", ())]
        return cls(tuple(given.get("reference", ())), tuple(given.get("label", ())), dangling[0] if dangling else None)

    def accepts(self, image: Image) -> bool:
        """Whether the list shows it."""
        if self.dangling is not None and self.dangling != (not image.names):
            return False
        if not all(_has_label(image, wanted) for wanted in self.labels):
            return False
        return not self.references or any(_is_named(name, wanted) for name in image.names for wanted in self.references)


def _has_label(image: Image, wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in image.config.labels and (not equals or image.config.labels[key] == value)


def _is_named(name: str, pattern: str) -> bool:
    reference = parse_reference(name)
    spellings = (reference.familiar_name, f"{reference.familiar_name}:{reference.tag}", reference.name, name)
    return any(fnmatchcase(spelling, pattern) for spelling in spellings)
