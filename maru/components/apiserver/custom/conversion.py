"""Between the versions of one custom kind.

With strategy None a version differs from another by apiVersion alone; a webhook converts otherwise.
Source: Kubernetes docs, "Versions in CustomResourceDefinitions".
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.apiserver.model.catalog import Conversion
from maru.core.document import Value
from maru.core.errors import NotSupported


class Renamed:
    """Strategy None. What has the right version already is handed back as it is."""

    def __init__(self, served: str, stored: str) -> None:
        self._served = served
        self._stored = stored

    async def to_stored(self, values: Sequence[Value]) -> Sequence[Value]:
        return [_renamed(value, self._stored) for value in values]

    async def from_stored(self, values: Sequence[Value]) -> Sequence[Value]:
        return [_renamed(value, self._served) for value in values]


class Refused:
    """Strategy Webhook, which is not there."""

    async def to_stored(self, values: Sequence[Value]) -> Sequence[Value]:
        raise _not_supported()

    async def from_stored(self, values: Sequence[Value]) -> Sequence[Value]:
        raise _not_supported()


def conversion_of(definition: Value, served: str, stored: str) -> Conversion | None:
    """Between the apiVersions `served` and `stored`; None if the definition has only ever had one version."""
    spec = definition["spec"]
    if len(spec["versions"]) == 1:
        return None
    if (spec.get("conversion") or {}).get("strategy") == "Webhook" and served != stored:
        return Refused()
    return Renamed(served, stored)


def _renamed(value: Value, api_version: str) -> Value:
    return value if value.get("apiVersion") == api_version else {**value, "apiVersion": api_version}


def _not_supported() -> NotSupported:
    return NotSupported(what="conversion by webhook", why="custom resources are converted by renaming only so far")
