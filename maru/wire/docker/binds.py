"""Binds: SOURCE:TARGET[:OPTIONS] as `-v` writes them. Source: moby volume/mounts/linux_parser.go."""

from __future__ import annotations

from dataclasses import dataclass

_VOLUME = 'invalid mount config for type "volume":'
_MODES = frozenset({"ro", "rw"})
_LABELS = frozenset({"z", "Z"})
PROPAGATIONS = frozenset({"private", "rprivate", "slave", "rslave", "shared", "rshared"})
_CONSISTENCIES = frozenset({"consistent", "cached", "delegated", "default"})


@dataclass(frozen=True, slots=True)
class Bind:
    """source: a path of the host, or a volume's name, "" for an anonymous volume. mode: the options as given."""

    source: str
    target: str
    is_readonly: bool = False
    propagation: str = ""
    is_copied: bool = True
    mode: str = ""

    @property
    def is_volume(self) -> bool:
        return not self.source.startswith("/")


def parse_bind(text: str) -> Bind:
    """Raises ValueError with the Engine's words."""
    parts = text.split(":")
    if len(parts) == 1:
        return Bind("", _target(parts[0], text))
    if len(parts) == 2 and parts[1].split(",")[0] in _MODES:
        return Bind("", _target(parts[0], text), is_readonly="ro" in parts[1].split(","), mode=parts[1])
    if len(parts) > 3 or not parts[0]:
        raise ValueError(f"invalid volume specification: '{text}'")
    options = parts[2].split(",") if len(parts) == 3 else []
    propagation, is_copied = "", True
    for option in options:
        if option in PROPAGATIONS:
            propagation = option
        elif option == "nocopy":
            is_copied = False
        elif option not in _MODES | _LABELS | _CONSISTENCIES:
            raise ValueError(f"invalid mode: {parts[2]}")
    mode = parts[2] if len(parts) == 3 else ""
    return Bind(parts[0], _target(parts[1], text), "ro" in options, propagation, is_copied, mode)


def _target(path: str, text: str) -> str:
    if not path.startswith("/"):
        raise ValueError(
            f"invalid volume specification: '{text}': {_VOLUME} invalid mount path: "
            f"'{path}' mount path must be absolute"
        )
    if path.rstrip("/") == "":
        words = f"{_VOLUME} invalid specification: destination can't be '/'"
        raise ValueError(f"invalid volume specification: '{text}': {words}")
    return path.rstrip("/")
