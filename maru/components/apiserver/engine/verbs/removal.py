"""Delete and deletecollection.

Source: k8s.io/apiserver/pkg/registry/generic/registry/store.go (Delete, DeleteCollection);
Kubernetes docs, "Garbage Collection", "Finalizers".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from maru.components.apiserver.admission.review import DELETE, Review
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.components.apiserver.engine.verbs.turns import turn
from maru.components.apiserver.errors import conflict, not_found
from maru.components.apiserver.model.deletion import Fate, decide
from maru.components.apiserver.model.options import RemoveOptions
from maru.core.document import Document, Value
from maru.core.errors import Conflict, NotFound
from maru.core.store.interface import Change

TRIES_MAX = 20


@dataclass(frozen=True, slots=True)
class Removed:
    """document: the last state, or the marked one. is_gone: nothing is left of it."""

    document: Document
    is_gone: bool


async def remove(house: House, call: Call, options: RemoveOptions) -> Removed:
    """Delete one document, or mark it and let what holds it finish. Raises NotFound, Conflict for preconditions."""
    async with turn(house, call):
        for attempt in range(1, TRIES_MAX + 1):
            current = house.store.get(call.key)
            if current is None:
                raise not_found(call.served.stored, call.name)
            _check_preconditions(call, current, options)
            changes = await _admit(house, call, current, options)
            try:
                return await _remove_once(house, call, current, options, changes)
            except NotFound as error:
                raise not_found(call.served.stored, call.name) from error
            except Conflict as error:
                if attempt == TRIES_MAX:
                    raise conflict(call.served.stored, call.name) from error
    raise AssertionError("the last try answers or raises")


async def remove_all(
    house: House, call: Call, documents: Sequence[Document], options: RemoveOptions
) -> Sequence[Document]:
    """Delete all of `documents`; those that went meanwhile are passed over."""
    done: list[Document] = []
    for document in documents:
        one = replace(call, namespace=document.key.namespace, name=document.key.name)
        try:
            done.append((await remove(house, one, options)).document)
        except NotFound:
            continue
    return done


async def _remove_once(
    house: House, call: Call, current: Document, options: RemoveOptions, changes: Sequence[Change]
) -> Removed:
    strategy = call.served.strategy
    value: Value = msgspec.json.decode(current.body)
    fate = decide(value, options, strategy.default_propagation, strategy.graceful_deletion, house.clock.now())
    if fate is Fate.PENDING or (fate is Fate.MARKED and value == current.value):
        return Removed(current, is_gone=False)
    if options.dry_run:
        return Removed(Document(current.key, msgspec.json.encode(value), current.version), fate is Fate.GONE)
    if fate is Fate.MARKED:
        written = await house.store.write([Change(current.key, value, current.version), *changes])
        return Removed(written[0], is_gone=False)
    written = await house.store.write([Change(current.key, None, current.version, last=value), *changes])
    keeper = house.keepers.get(current.key.storage)
    if keeper is not None:
        keeper.forget(value)
    return Removed(written[0], is_gone=True)


def _check_preconditions(call: Call, current: Document, options: RemoveOptions) -> None:
    uid = current.metadata["uid"]
    if options.uid and options.uid != uid:
        raise conflict(
            call.served.stored,
            call.name,
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({uid}). "
            "The object might have been deleted and then recreated",
        )
    if options.version and options.version != str(current.version):
        raise conflict(
            call.served.stored,
            call.name,
            f"the ResourceVersion in the precondition ({options.version}) does not match the ResourceVersion in "
            f"record ({current.version}). The object might have been modified",
        )


async def _admit(house: House, call: Call, current: Document, options: RemoveOptions) -> Sequence[Change]:
    review = Review(
        operation=DELETE,
        resource=call.served.resource,
        stored=call.served.stored,
        subresource="",
        namespace=call.namespace,
        name=call.name,
        caller=call.caller,
        old=current.value,
        dry_run=options.dry_run,
        is_own=call.is_own,
        annotations=call.annotations,
        options=_delete_options(options),
    )
    await house.admission.admit(review)
    await house.admission.check(review)
    call.warn(review.warnings)
    return review.changes


def _delete_options(options: RemoveOptions) -> Value:
    shown: Value = {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}
    if options.grace_s is not None:
        shown["gracePeriodSeconds"] = options.grace_s
    if options.propagation:
        shown["propagationPolicy"] = options.propagation
    return shown
