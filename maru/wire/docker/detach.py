"""Detach keys: the sequence that leaves a terminal without ending what runs in it.

"ctrl-p,ctrl-q" or single letters, separated by commas. Source: docker's reference, attach
`--detach-keys`; moby/term ascii.go and proxy.go.
"""

from __future__ import annotations

DEFAULT = "ctrl-p,ctrl-q"
_CONTROLS = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parse_keys(text: str) -> bytes:
    """The bytes of a sequence; those of the default for "". Raises ValueError."""
    keys = bytearray()
    for key in (text or DEFAULT).split(","):
        if len(key) == 1:
            keys += key.encode()
            continue
        control = key.removeprefix("ctrl-")
        if control == key or len(control) != 1:
            raise ValueError(f"Unknown character: '{key}'")
        if "a" <= control <= "z":
            keys.append(ord(control) - ord("a") + 1)
        elif control in _CONTROLS:
            keys.append(_CONTROLS[control])
        else:
            raise ValueError(f"Unknown character: '{key}'")
    return bytes(keys)


class KeyWatch:
    """Input on its way to a terminal, held back only while it may be the sequence."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0

    def feed(self, chunk: bytes) -> tuple[bytes, bool]:
        """What goes on to the terminal, and whether the sequence is complete (the rest is dropped)."""
        passed = bytearray()
        for byte in chunk:
            if byte == self._keys[self._matched]:
                self._matched += 1
                if self._matched == len(self._keys):
                    return bytes(passed), True
                continue
            passed += self._keys[: self._matched]
            self._matched = 1 if byte == self._keys[0] else 0
            if not self._matched:
                passed.append(byte)
        return bytes(passed), False
