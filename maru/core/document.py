"""A document: plain JSON in the Kubernetes resource model, and the few facts read from it often.

A document's bytes are what was stored and what a list concatenates; `value` decodes them when
asked for and must not be changed by whoever reads it. Decoded, a document is seven times its bytes,
so a store keeps only the last ones decoded (`Decoded`). `Resource` names a kind the way the API path
does. Source: Kubernetes API concepts, "Resource terminology".
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, TypedDict

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


class _Metadata(TypedDict, total=False):
    """All of ObjectMeta but managedFields, which is often more than the rest of the document."""

    name: Any
    generateName: Any
    namespace: Any
    selfLink: Any
    uid: Any
    resourceVersion: Any
    generation: Any
    creationTimestamp: Any
    deletionTimestamp: Any
    deletionGracePeriodSeconds: Any
    labels: Any
    annotations: Any
    ownerReferences: Any
    finalizers: Any


class _Head(TypedDict):
    metadata: _Metadata


_decode_head = msgspec.json.Decoder(_Head).decode


class Decoded:
    """Which documents stay decoded: the last ones asked for, up to `bytes_max` of bodies."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._line: deque[Document] = deque()

    def keep(self, document: Document) -> None:
        """It was decoded just now; the oldest ones over the bound forget their values."""
        self._line.append(document)
        self._bytes += len(document.body)
        while self._bytes > self._bytes_max and len(self._line) > 1:
            oldest = self._line.popleft()
            self._bytes -= len(oldest.body)
            oldest.forget_value()


class Document:
    """One stored revision. Immutable: a change is a new Document.

    key: where it stands; body: its JSON bytes, resourceVersion included, no newline;
    version: the store revision that wrote it, ascending over all documents. decoded: bounds how long
    `value` is kept; None keeps it for good.
    """

    __slots__ = ("_decoded", "_head", "_lines", "_value", "body", "key", "version")

    def __init__(
        self, key: Key, body: bytes, version: int, value: Value | None = None, decoded: Decoded | None = None
    ) -> None:
        self.key = key
        self.body = body
        self.version = version
        self._value = value
        self._head: Value | None = None
        self._decoded = decoded
        self._lines: dict[str, bytes] | None = None

    @property
    def value(self) -> Value:
        """The decoded document, shared by all readers: never change it (copy first)."""
        value = self._value
        if value is None:
            value = self._value = msgspec.json.decode(self.body)
            if self._decoded is not None:
                self._decoded.keep(self)
        assert value is not None
        return value

    @property
    def head(self) -> Value:
        """Nothing but the metadata, without managedFields; kept for good, shared like `value`."""
        head = self._head
        if head is None:
            if self._value is not None:
                metadata = self._value["metadata"]
                head = {"metadata": {name: metadata[name] for name in metadata if name != "managedFields"}}
            else:
                head = dict(_decode_head(self.body))
            self._head = head
        return head

    @property
    def metadata(self) -> Value:
        """The metadata of `head`."""
        metadata: Value = self.head["metadata"]
        return metadata

    def bound_by(self, decoded: Decoded) -> None:
        """Let `decoded` say how long the value is kept."""
        self._decoded = decoded

    def forget_value(self) -> None:
        """Decode anew when asked again."""
        self._value = None

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
