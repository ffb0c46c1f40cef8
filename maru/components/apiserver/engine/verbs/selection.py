"""Label and field selectors of one list or watch, asked of documents.

metadata.name and metadata.namespace are answered from the key, without decoding; all else decodes
the document once for everybody. Source: Kubernetes docs, "Field Selectors".
"""

from __future__ import annotations

from maru.components.apiserver.errors import bad_request
from maru.components.apiserver.model.catalog import Served
from maru.core.document import Document, Value
from maru.wire.k8s.errors import BadSelector
from maru.wire.k8s.selectors import Selector, parse_fields, parse_labels

_OF_THE_KEY = ("metadata.name", "metadata.namespace")


class Selection:
    """What a list or watch is narrowed to. name: the one document that can match, "" if it is open."""

    __slots__ = ("_custom", "_fields", "_is_by_key", "_labels", "_strategy", "is_everything", "name")

    def __init__(self, served: Served, labels: Selector, fields: Selector) -> None:
        self._labels = labels
        self._fields = fields
        self._strategy = served.strategy
        self._custom = served.custom
        self._is_by_key = all(term.key in _OF_THE_KEY for term in fields.requirements)
        self.name = fields.exact("metadata.name") or ""
        self.is_everything = not (labels.requirements or labels.nothing or fields.requirements or fields.nothing)

    def matches(self, document: Document) -> bool:
        """Whether the document is selected."""
        if self.is_everything:
            return True
        if self._fields.requirements:
            if self.name and document.key.name != self.name:
                return False
            if not self._fields.matches(self._facts(document)):
                return False
        if self._labels.requirements or self._labels.nothing:
            return self._labels.matches(document.metadata.get("labels") or {})
        return not self._fields.nothing

    def _facts(self, document: Document) -> dict[str, str]:
        facts = {"metadata.name": document.key.name, "metadata.namespace": document.key.namespace}
        if self._is_by_key:
            return facts
        facts.update(self._strategy.selectable_fields(document.value))
        if self._custom is not None:
            for path in self._custom.selectable:
                facts[path] = at_path(document.value, path)
        return facts


def select(served: Served, labels: str, fields: str) -> Selection:
    """Read both selectors. Raises 400 for bad ones and for fields the kind does not have."""
    try:
        by_labels, by_fields = parse_labels(labels), parse_fields(fields)
    except BadSelector as error:
        raise bad_request(error.message) from error
    known = set(_OF_THE_KEY)
    if any(term.key not in known for term in by_fields.requirements):
        known.update(served.strategy.selectable_fields(_empty(served)))
        known.update(served.custom.selectable if served.custom is not None else ())
    for term in by_fields.requirements:
        if term.key not in known:
            raise bad_request(f"field label not supported: {term.key}")
    return Selection(served, by_labels, by_fields)


def at_path(value: Value, path: str) -> str:
    """The scalar at a dotted path as a field selector compares it; "" where there is none."""
    found: object = value
    for part in path.lstrip(".").split("."):
        if not isinstance(found, dict):
            return ""
        found = found.get(part)
    if isinstance(found, bool):
        return "true" if found else "false"
    return "" if found is None or isinstance(found, (dict, list)) else str(found)


def _empty(served: Served) -> Value:
    """A document with nothing in it, of which a strategy lists the fields it can select by."""
    return {"apiVersion": served.resource.api_version, "kind": served.resource.kind, "metadata": {"name": ""}}
