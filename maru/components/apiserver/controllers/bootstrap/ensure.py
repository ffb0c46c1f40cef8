"""Making what must be there: through the verbs, as the API server itself, so that rules apply as to anybody."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from maru.components.apiserver.controllers.bootstrap import documents
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.components.apiserver.engine.verbs.create import create
from maru.components.apiserver.engine.verbs.intake import take_in
from maru.components.apiserver.engine.verbs.turns import turn
from maru.components.apiserver.engine.verbs.update import save
from maru.components.apiserver.model.options import WriteOptions
from maru.core.access import GROUP_MASTERS, Caller
from maru.core.clock import rfc3339
from maru.core.document import Document, Value
from maru.core.site import PORT_KUBERNETES, Site

SELF = Caller("system:apiserver", (GROUP_MASTERS, "system:authenticated"))
MANAGER = "kube-apiserver"


async def ensure_all(house: House, site: Site, service_address: str, cluster_address: str) -> None:
    """Create what is missing; put right what says where this server is. service_address: of default/kubernetes."""
    port = site.port(PORT_KUBERNETES)
    for value in documents.namespaces():
        await ensure(house, value)
    await ensure(house, documents.service_cidr(site.service_cidr))
    await ensure(house, documents.service(service_address, port), is_ours=True)
    for value in documents.endpoints(cluster_address, port):
        await ensure(house, value, is_ours=True)
    others: Sequence[Value] = [
        *documents.priority_classes(),
        *documents.priority_levels(),
    ]
    for value in others:
        await ensure(house, value)
    for value in documents.flow_schemas():
        await ensure(house, value, status=_found(house, value))
    await ensure_api_services(house)


async def ensure_api_services(house: House) -> None:
    """One APIService for each group version served."""
    served = dict.fromkeys((one.entry.group, one.entry.version) for one in house.catalog.all)
    for group, version in served:
        await ensure(house, documents.api_service(group, version), status=available(house))


async def ensure(house: House, value: Value, *, is_ours: bool = False, status: Value | None = None) -> None:
    """Create `value` if nothing stands there; if `is_ours`, put a different spec right."""
    group, _, version = value["apiVersion"].rpartition("/")
    served = house.catalog.of_kind(group, version, value["kind"])
    assert served is not None, f"{value['kind']} is built in"
    metadata = value["metadata"]
    call = Call(
        SELF, served, metadata.get("namespace") or "", metadata["name"], options=WriteOptions(field_manager=MANAGER)
    )
    current = house.store.get(call.key)
    if current is None:
        document = await take_in(call, value)
        current = (await create(house, call, document)).document
        if status is not None:
            call.subresource = "status"
            async with turn(house, call):
                await save(house, call, current, {**_fresh(current), "status": status})
    elif is_ours:
        async with turn(house, call):
            merged = _merged(current.value["metadata"], metadata)
            await save(house, call, current, await take_in(call, {**value, "metadata": merged}))


def _fresh(document: Document) -> Value:
    """A copy of one's own."""
    value: Value = msgspec.json.decode(document.body)
    return value


def _merged(have: Value, want: Value) -> Value:
    """The metadata that is there, with our labels."""
    return {**have, "labels": {**(have.get("labels") or {}), **(want.get("labels") or {})}}


def available(house: House) -> Value:
    """The status of an APIService that is served here."""
    return {
        "conditions": [
            {
                "type": "Available",
                "status": "True",
                "lastTransitionTime": rfc3339(house.clock.now()),
                "reason": "Local",
                "message": "Local APIServices are always available",
            }
        ]
    }


def _found(house: House, schema: Value) -> Value:
    """The status of a FlowSchema whose priority level is there."""
    level = schema["spec"]["priorityLevelConfiguration"]["name"]
    return {
        "conditions": [
            {
                "type": "Dangling",
                "status": "False",
                "lastTransitionTime": rfc3339(house.clock.now()),
                "reason": "Found",
                "message": (
                    f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" and it exists'
                ),
            }
        ]
    }
