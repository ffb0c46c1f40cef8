"""Ranges of bytes as blobs and uploads are asked for and sent by, and pages of lists.

Source: RFC 9110 section 14.2; OCI distribution specification 1.1, "Pushing a blob in chunks", "Listing Tags".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?(\d{1,18})-(\d{1,18})(?:/(?:\d+|\*))?")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_NUMBER = re.compile(r"\d{1,9}")


def chunk_range(header: str) -> tuple[int, int]:
    """First and last byte of a chunk, last included. Raises ValueError."""
    found = _CONTENT_RANGE.fullmatch(header.strip())
    if found is None or int(found[2]) < int(found[1]) - 1:
        raise ValueError(f"malformed range {header!r}")
    return int(found[1]), int(found[2])


def blob_range(header: str, size_bytes: int) -> tuple[int, int] | None:
    """Offset and length of the part wanted; None for all of it (as for what cannot be understood).

    Raises ValueError when no byte is in it.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        count = min(int(found[2]), size_bytes)
        first = size_bytes - count
    else:
        first = int(found[1])
        last = min(int(found[2]), size_bytes - 1) if found[2] else size_bytes - 1
        count = last - first + 1
    if count <= 0:
        raise ValueError(f"{header} is not within {size_bytes} bytes")
    return first, count


def page_size(text: str, most: int) -> int:
    """How many a page holds: `text`, at most `most`, which it is for "". Raises ValueError."""
    if not text:
        return most
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"invalid number of results {text!r}")
    return min(int(text), most)


def fitting(sizes_bytes: Sequence[int], bytes_max: int) -> int:
    """How many of the first fit into `bytes_max` together, one at least where there is any."""
    total = 0
    for count, size_bytes in enumerate(sizes_bytes):
        total += size_bytes
        if total > bytes_max and count:
            return count
    return len(sizes_bytes)


def page(names: Sequence[str], count: int) -> tuple[Sequence[str], bool]:
    """The first `count` of `names`, and whether there are more."""
    return names[:count], len(names) > count
