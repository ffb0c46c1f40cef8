"""MessagePack in a stream: where one value ends and the next begins.

Values themselves are read by msgspec, which wants whole ones.
Source: the MessagePack specification, "Formats".
"""

from __future__ import annotations

from collections.abc import Sequence

DEPTH_MAX = 64
BYTES_MAX = 64 << 20

_FIXED = {0xC0: 1, 0xC2: 1, 0xC3: 1, 0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5,
          0xD3: 9, 0xD4: 3, 0xD5: 4, 0xD6: 6, 0xD7: 10, 0xD8: 18}  # fmt: skip
_COUNTED = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1), 0xD9: (1, 0),
            0xDA: (2, 0), 0xDB: (4, 0)}  # fmt: skip
"""Of bytes, extensions and texts: how many bytes the length takes, and how many more stand before the content."""
_HOLDERS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""Of arrays and maps: how many bytes the count takes, and values for each."""


class BadPack(ValueError):
    """The bytes are no MessagePack, or are nested or long beyond bounds."""


def divided(content: bytes) -> tuple[Sequence[bytes], bytes]:
    """The whole values at the beginning, each by itself, and what is left. Raises BadPack."""
    found, at = [], 0
    while at < len(content):
        end = _end(content, at)
        if end is None:
            break
        found.append(content[at:end])
        at = end
    if len(content) - at > BYTES_MAX:
        raise BadPack("a value is over 64 MiB")
    return found, content[at:]


def _end(content: bytes, at: int) -> int | None:
    """Where the value that begins at `at` ends, None if it is not whole."""
    open_ = [1]  # how many values are awaited at each level
    while open_:
        if open_[-1] == 0:
            open_.pop()
            continue
        open_[-1] -= 1
        if at >= len(content):
            return None
        step, inside = _step(content, at)
        if step is None:
            return None
        at += step
        if inside:
            open_.append(inside)
        if len(open_) > DEPTH_MAX:
            raise BadPack("it is nested too deeply")
    return at if at <= len(content) else None


def _step(content: bytes, at: int) -> tuple[int | None, int]:
    """How many bytes the head (and a plain value) takes, None if its length is not there; how many values follow."""
    kind = content[at]
    if kind < 0x80 or kind >= 0xE0:
        return 1, 0
    if kind < 0x90:
        return 1, 2 * (kind & 0x0F)
    if kind < 0xA0:
        return 1, kind & 0x0F
    if kind < 0xC0:
        return 1 + (kind & 0x1F), 0
    if kind in _FIXED:
        return _FIXED[kind], 0
    width, more = _COUNTED.get(kind) or _HOLDERS.get(kind) or (0, 0)
    if not width:
        raise BadPack(f"0x{kind:x} begins nothing")
    if len(content) < at + 1 + width:
        return None, 0
    count = int.from_bytes(content[at + 1 : at + 1 + width], "big")
    if kind in _HOLDERS:
        return 1 + width, count * more
    return 1 + width + more + count, 0
