"""metrics.k8s.io: what Pods and nodes use, as documents that `kubectl top` and autoscalers read.

A Pod or node without figures (not running, or its node does not answer) is left out of lists and 404
by name, as metrics-server does. Source: metrics-server, pkg/api/pod.go and node.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from maru.components.apiserver.api import answers
from maru.components.apiserver.api.render import LIST_SHAPES, ONE_SHAPES, Renderer
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.components.apiserver.engine.verbs.listing import Listed
from maru.components.apiserver.engine.verbs.selection import select
from maru.components.apiserver.errors import method_not_allowed
from maru.components.apiserver.model.metrics_kinds import GROUP, NODE_METRICS, POD_METRICS
from maru.components.apiserver.model.negotiate import choose
from maru.components.apiserver.model.options import read_list
from maru.components.apiserver.model.path import Target
from maru.contracts.usage import NodeUsage, PodUsage, UsageSource, Used
from maru.core.clock import rfc3339
from maru.core.document import Document, Key, Resource, Value
from maru.core.errors import NotFound
from maru.core.front.message import Answer, Request
from maru.kinds.resources import NODES, PODS


class MetricsDocuments:
    """Answers get and list of both kinds."""

    def __init__(self, house: House, usage: UsageSource) -> None:
        self._house = house
        self._usage = usage

    async def pods(self, call: Call, request: Request, target: Target, verb: str) -> Answer:
        """Raises NotFound, 405, 400 for bad selectors."""
        found = [pod for measured in await self._usage.measure() for pod in measured.pods]
        return await self._answer(call, request, verb, self._pod_documents(call.namespace, found))

    async def nodes(self, call: Call, request: Request, target: Target, verb: str) -> Answer:
        """Raises NotFound, 405, 400 for bad selectors."""
        found = [measured.node for measured in await self._usage.measure()]
        return await self._answer(call, request, verb, self._node_documents(found))

    async def _answer(self, call: Call, request: Request, verb: str, documents: Iterable[Document]) -> Answer:
        if verb not in ("get", "list"):
            raise method_not_allowed()
        form = choose(request.headers.get("Accept", ""), LIST_SHAPES if verb == "list" else ONE_SHAPES)
        renderer = Renderer(call.served, form, self._house.clock.now(), include=request.query_get("includeObject"))
        if verb == "list":
            options = read_list(request.query_get)
            selection = select(call.served, options.labels, options.fields)
            chosen = sorted(filter(selection.matches, documents), key=_place)
            body = await renderer.listing(Listed(chosen, self._house.store.version))
        else:
            one = next((document for document in documents if document.key.name == call.name), None)
            if one is None or (call.served.resource.namespaced and not call.namespace):
                raise _missing(call)
            body = await renderer.one(one)
        return answers.of_bytes(body, content_type=form.content_type)

    def _pod_documents(self, namespace: str, found: Sequence[PodUsage]) -> Iterable[Document]:
        for usage in found:
            if namespace and usage.namespace != namespace:
                continue
            pod = self._house.store.get(Key(PODS.storage, usage.namespace, usage.name))
            if pod is not None:
                containers = [{"name": one.name, "usage": _quantities(one)} for one in usage.containers]
                yield self._document(POD_METRICS, pod, usage, {"containers": containers})

    def _node_documents(self, found: Sequence[NodeUsage]) -> Iterable[Document]:
        for usage in found:
            node = self._house.store.get(Key(NODES.storage, "", usage.used.name))
            if node is not None:
                yield self._document(NODE_METRICS, node, usage, {"usage": _quantities(usage.used)})

    def _document(self, resource: Resource, of: Document, usage: PodUsage | NodeUsage, rest: Value) -> Document:
        metadata: Value = {"name": of.key.name}
        if of.key.namespace:
            metadata["namespace"] = of.key.namespace
        metadata["creationTimestamp"] = rfc3339(self._house.clock.now())
        labels = of.metadata.get("labels")
        if labels:
            metadata["labels"] = labels
        value: Value = {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "metadata": metadata,
            "timestamp": usage.taken_at,
            "window": f"{usage.window_s:g}s",
            **rest,
        }
        key = Key(resource.storage, of.key.namespace, of.key.name)
        return Document(key, msgspec.json.encode(value), of.version, value)


def _place(document: Document) -> tuple[str, str]:
    return document.key.namespace, document.key.name


def _quantities(used: Used) -> Value:
    return {"cpu": f"{used.cpu_nanocores}n", "memory": f"{used.memory_bytes // 1024}Ki"}


def _missing(call: Call) -> NotFound:
    resource = f"{call.served.resource.kind.lower()}.{GROUP}"
    name = f"{call.namespace}/{call.name}" if call.namespace else call.name
    message = f'{resource} "{name}" not found'
    about = {"group": GROUP, "kind": call.served.resource.kind.lower(), "name": name}
    return NotFound(what=message, why="", message=message, **about)
