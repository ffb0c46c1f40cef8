"""The index of Pods by the node they are bound to."""

from __future__ import annotations

from maru.core.document import Document
from maru.core.informer import Informer
from maru.kinds.pod_state import node_name

NODE_INDEX = "node"


def index_by_node(pods: Informer) -> None:
    """Index `pods` by node name; unbound ones are in no bucket."""
    pods.index(NODE_INDEX, _node_names)


def _node_names(document: Document) -> list[str]:
    name = node_name(document.value)
    return [name] if name else []
