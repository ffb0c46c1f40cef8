"""Keeps the zone in step with Services, EndpointSlices and Namespaces.

A change is in the next answer: records are encoded in the informers' own handlers.
"""

from __future__ import annotations

import asyncio

from maru.components.dns.engine.resolver import Resolver
from maru.components.dns.model.authority import Authority
from maru.components.dns.model.records import SERVICE_NAME_LABEL, service_records
from maru.core.document import Document
from maru.core.informer import Informers
from maru.kinds.resources import ENDPOINTSLICES, NAMESPACES, SERVICES
from maru.wire.dns.names import encode_name

_BY_SERVICE = "service"


class NamesController:
    """domain: the cluster's."""

    def __init__(self, authority: Authority, resolver: Resolver, informers: Informers, domain: str) -> None:
        self._authority = authority
        self._resolver = resolver
        self._domain = encode_name(domain)
        self._services = informers.of(SERVICES)
        self._slices = informers.of(ENDPOINTSLICES)
        self._namespaces = informers.of(NAMESPACES)
        self._existing: set[str] = set()

    async def run(self) -> None:
        """Until cancelled. Before all is known, names of the cluster are a server failure."""
        self._slices.index(_BY_SERVICE, _service_of)
        self._authority.namespaces = self._existing
        self._namespaces.on_change(self._on_namespace)
        self._services.on_change(self._on_service)
        self._slices.on_change(self._on_slice)
        for informer in (self._services, self._slices, self._namespaces):
            await informer.wait_synced()
        self._authority.is_known = True
        self._resolver.forget_replies()
        await asyncio.Event().wait()

    def _on_namespace(self, new: Document | None, old: Document | None) -> None:
        document = new or old
        assert document is not None, "a change has a document"
        (self._existing.add if new is not None else self._existing.discard)(document.key.name)
        self._resolver.forget_replies()

    def _on_service(self, new: Document | None, old: Document | None) -> None:
        document = new or old
        assert document is not None, "a change has a document"
        self._put(document.key.namespace, document.key.name)

    def _on_slice(self, new: Document | None, old: Document | None) -> None:
        touched = {place for document in (new, old) if document is not None for place in _service_of(document)}
        for place in touched:
            namespace, _, name = place.partition("/")
            self._put(namespace, name)

    def _put(self, namespace: str, name: str) -> None:
        service = self._services.get(namespace, name)
        slices = [piece.value for piece in self._slices.by_index(_BY_SERVICE, f"{namespace}/{name}")]
        records = service_records(service.value, slices, self._domain) if service is not None else {}
        if self._authority.zone.put((namespace, name), records):
            self._resolver.forget_replies()


def _service_of(document: Document) -> list[str]:
    name = (document.metadata.get("labels") or {}).get(SERVICE_NAME_LABEL)
    return [f"{document.key.namespace}/{name}"] if name else []
