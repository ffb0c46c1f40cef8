"""Build arguments: what was declared where, what the caller gave, what a RUN sees of them.

Source: docs.docker.com/reference/dockerfile, "ARG"; moby builder/dockerfile/buildargs.go.
"""

from __future__ import annotations

from collections.abc import Mapping

_PROXIES = frozenset(
    name
    for word in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
    for name in (word, word.upper())
)


class Arguments:
    """given: by the caller. One object per build; `open_stage` forgets what the stage before declared."""

    def __init__(self, given: Mapping[str, str | None]) -> None:
        self._given = given
        self._before: dict[str, str | None] = {}
        self._declared: dict[str, str | None] = {}
        self._referenced: set[str] = set()

    def open_stage(self) -> None:
        self._declared = {}

    def declare_before(self, name: str, default: str | None) -> None:
        """An ARG in front of the first FROM."""
        self._before[name] = default
        self._referenced.add(name)

    def declare(self, name: str, default: str | None) -> None:
        """An ARG of this stage."""
        self._declared[name] = default
        self._referenced.add(name)

    def before(self) -> dict[str, str]:
        """What a FROM can use."""
        found = {name: self._value(name, default) for name, default in self._before.items()}
        return {name: value for name, value in found.items() if value is not None}

    def declared(self) -> dict[str, str]:
        """What this stage's instructions can use, and what its cache depends on."""
        found: dict[str, str] = {}
        for name, default in self._declared.items():
            value = self._value(name, default if default is not None else self._before.get(name))
            if value is not None:
                found[name] = value
        return found

    def of_run(self) -> dict[str, str]:
        """Environment of a RUN: the declared ones, and proxies whether declared or not."""
        proxies = {name: value for name, value in self._given.items() if name in _PROXIES and value is not None}
        return {**proxies, **self.declared()}

    def unused(self) -> list[str]:
        """Given, and nobody declared them."""
        return sorted(name for name in self._given if name not in self._referenced and name not in _PROXIES)

    def _value(self, name: str, default: str | None) -> str | None:
        given = self._given.get(name)
        return given if given is not None else default
