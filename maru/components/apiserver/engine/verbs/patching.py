"""Patch: the four kinds, applied to what is there now and written as an update.

A patch meets a conflict when it names a version itself, or when somebody else wrote while it was on its
way (a webhook was asked, or the store was written beside the API); the latter is tried again.
Source: k8s.io/apiserver/pkg/endpoints/handlers/patch.go; Kubernetes API concepts, "Patches" and
"Server-Side Apply".
"""

from __future__ import annotations

import msgspec

from maru.components.apiserver.engine.verbs.call import Call, House, Outcome
from maru.components.apiserver.engine.verbs.create import create, ignored_fields
from maru.components.apiserver.engine.verbs.intake import check_type, place, take_in, typed, writer
from maru.components.apiserver.engine.verbs.turns import turn
from maru.components.apiserver.engine.verbs.update import TRIES_MAX, save
from maru.components.apiserver.errors import bad_request, not_found
from maru.core.client import PatchKind
from maru.core.document import Document, Value
from maru.core.errors import AlreadyExists, Conflict
from maru.wire.k8s.apply import apply
from maru.wire.k8s.patch import json_patch, merge_patch
from maru.wire.k8s.strategic import strategic_patch


async def patch(house: House, call: Call, body: object, kind: PatchKind) -> Outcome:
    """Change a document by `body`. Raises NotFound (but an apply creates), Conflict, Invalid, 400."""
    if kind is PatchKind.APPLY and not call.options.field_manager:
        raise bad_request(
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
        )
    async with turn(house, call):
        for attempt in range(1, TRIES_MAX + 1):
            current = house.store.get(call.key)
            try:
                if current is not None:
                    return await _patch_once(house, call, current, body, kind)
                if kind is PatchKind.APPLY and not call.subresource:
                    return await _create(house, call, body)
                raise not_found(call.served.stored, call.name)
            except (Conflict, AlreadyExists):
                # Somebody wrote meanwhile; what the patch itself demands stays broken.
                if attempt == TRIES_MAX or house.store.get(call.key) is current:
                    raise
    raise AssertionError("the last try answers or raises")


async def _patch_once(house: House, call: Call, current: Document, body: object, kind: PatchKind) -> Outcome:
    if kind is PatchKind.APPLY:
        document = await _applied(house, call, current.value, body)
        return await save(house, call, current, document, is_tracked=True)
    served = call.served
    base: Value = msgspec.json.decode(current.body)  # decoded for this patch alone: the result shares its parts
    if served.conversion is not None:
        base = dict((await served.conversion.from_stored([base]))[0])
    if kind is PatchKind.JSON:
        patched = json_patch(base, body)
    elif not isinstance(body, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}")
    elif kind is PatchKind.MERGE:
        patched = merge_patch(base, body)
    else:
        patched = strategic_patch(served.node, base, body)
    document = await take_in(call, patched, call.duplicates)
    return await save(house, call, current, document)


async def _create(house: House, call: Call, body: object) -> Outcome:
    document = await _applied(house, call, None, body)
    document["metadata"].pop("resourceVersion", None)
    return await create(house, call, document, is_tracked=True)


async def _applied(house: House, call: Call, live: Value | None, body: object) -> Value:
    served = call.served
    config = check_type(call, typed(served, body), call.duplicates)
    if served.conversion is not None:
        config = dict((await served.conversion.to_stored([config]))[0])
    config = {**config, "metadata": dict(config.get("metadata") or {})}
    place(call, config)
    node = served.node
    if served.conversion is not None:
        stored = house.catalog.of_storage(served.stored.storage)
        node = stored.node if stored is not None else node
    result = apply(
        node, live, config, writer(call, house.clock), force=call.options.force, ignored=ignored_fields(call)
    )
    # The result shares parts with what the store holds, and a write changes its document in place.
    copy: Value = msgspec.json.decode(msgspec.json.encode(result))
    return copy
