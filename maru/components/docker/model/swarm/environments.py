"""Environments of services and tasks are sealed in their documents, as those of containers are.

In memory a ContainerSpec has `Env`; in the document it has one text under `environment`, bound to the document's
kind and name. Who applies a Service writes `Env`, which is read as it is and sealed at the next write.
Source: docs/adr/0010-environments.md; Docker Engine API v1.50, TaskSpec.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from maru.components.docker.model.sealing import open_entries, seal_entries
from maru.components.docker.model.swarm.entries import Entry
from maru.contracts.sealer import Sealer
from maru.core.document import Value

Change = Callable[[Value], Value]
"""A ContainerSpec as it is to be."""


@dataclass(frozen=True, slots=True)
class Environments:
    """Those of one kind of document. noun: service, task, or a kind that has none."""

    noun: str
    sealer: Sealer

    def sealed(self, entry_id: str, spec: Value, status: Value) -> tuple[Value, Value]:
        """What is written of a document that is to have this spec and status."""

        def seal(container: Value) -> Value:
            entries = container.get("Env")
            if not entries or not isinstance(entries, list) or not all(isinstance(each, str) for each in entries):
                return container
            kept = {key: value for key, value in container.items() if key != "Env"}
            return kept | {"environment": seal_entries(entries, self._context(entry_id), self.sealer)}

        return self._changed(spec, seal), self._with_previous(status, seal)

    def opened(self, entry: Entry) -> Entry:
        """The entry with its environments; one that another key has sealed stays as it is."""

        def unseal(container: Value) -> Value:
            if not container.get("environment"):
                return container
            entries = open_entries(str(container["environment"]), self._context(entry.id), self.sealer)
            if entries is None:
                return container
            return {key: value for key, value in container.items() if key != "environment"} | {"Env": entries}

        return replace(entry, spec=self._changed(entry.spec, unseal), status=self._with_previous(entry.status, unseal))

    def is_clear(self, document: Value) -> bool:
        """Whether a document shows an environment."""
        spec, status = document.get("spec") or {}, document.get("status") or {}
        return self.sealed("", spec, status) != (spec, status)

    def _with_previous(self, status: Value, change: Change) -> Value:
        if self.noun != "service" or not isinstance(status.get("PreviousSpec"), dict):
            return status
        return status | {"PreviousSpec": self._changed(status["PreviousSpec"], change)}

    def _changed(self, spec: Value, change: Change) -> Value:
        if self.noun == "task":
            container = spec.get("ContainerSpec")
            return spec | {"ContainerSpec": change(container)} if isinstance(container, dict) else spec
        template = spec.get("TaskTemplate")
        if self.noun != "service" or not isinstance(template, dict):
            return spec
        container = template.get("ContainerSpec")
        if not isinstance(container, dict):
            return spec
        return spec | {"TaskTemplate": template | {"ContainerSpec": change(container)}}

    def _context(self, entry_id: str) -> bytes:
        return f"environment of {self.noun} {entry_id}".encode()
