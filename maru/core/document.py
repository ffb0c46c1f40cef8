"""A document: plain JSON in the Kubernetes resource model, and the few facts read from it often.

A document's bytes are what was stored and what a list concatenates; `value` decodes them once,
when first asked for, and must not be changed by whoever reads it. `Resource` names a kind the way
the API path does. Source: Kubernetes API concepts, "Resource terminology".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

Value = dict[str, Any]
"""A document as plain JSON: the one place where Any is at home."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind as the API serves it. `group` is empty for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def storage(self) -> str:
        """The name documents of this kind are kept under, whatever the version: pods, jobs.batch."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """As `apiVersion` spells it: v1, apps/v1."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, or of one document, or of its subresource."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Where a document stands. `storage` is `Resource.storage`; `namespace` is empty if it has none."""

    storage: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.storage}/{self.namespace}/{self.name}" if self.namespace else f"{self.storage}/{self.name}"


class Document:
    """One stored revision. Immutable: a change is a new Document.

    key: where it stands; body: its JSON bytes, resourceVersion included, no newline;
    version: the store revision that wrote it, ascending over all documents.
    """

    __slots__ = ("_lines", "_value", "body", "key", "version")

    def __init__(self, key: Key, body: bytes, version: int, value: Value | None = None) -> None:
        self.key = key
        self.body = body
        self.version = version
        self._value = value
        self._lines: dict[str, bytes] | None = None

    @property
    def value(self) -> Value:
        """The decoded document, shared by all readers: never change it (copy first)."""
        if self._value is None:
            self._value = msgspec.json.decode(self.body)
        assert self._value is not None
        return self._value

    @property
    def metadata(self) -> Value:
        """`value["metadata"]`."""
        metadata: Value = self.value["metadata"]
        return metadata

    def event_line(self, kind: str) -> bytes:
        """The watch line of this revision under `kind` (ADDED, MODIFIED, DELETED); encoded once while it is news."""
        line = self._lines.get(kind) if self._lines is not None else None
        if line is None:
            line = b'{"type":"' + kind.encode() + b'","object":' + self.body + b"}\n"
            if self._lines is not None:
                self._lines[kind] = line
        return line

    def keep_lines(self, *, is_news: bool) -> None:
        """Keep encoded watch lines from now on, or (once the watchers have theirs) forget them."""
        self._lines = {} if is_news else None

    def __repr__(self) -> str:
        return f"Document({self.key}, version={self.version}, body_bytes={len(self.body)})"


def key_of(resource: Resource, namespace: str, name: str) -> Key:
    """The key of `name`; the namespace is dropped where the kind has none."""
    return Key(resource.storage, namespace if resource.namespaced else "", name)
