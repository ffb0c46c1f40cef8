"""Create: name, defaults, admission, rules, and one durable write.

The order is the real server's: defaults, admission that changes, what the server sets, rules,
admission that refuses. Source: k8s.io/apiserver/pkg/registry/rest/create.go and
pkg/endpoints/handlers/create.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from maru.components.apiserver.admission.review import CREATE, Review
from maru.components.apiserver.engine.verbs.call import Call, House, Outcome, reserved
from maru.components.apiserver.engine.verbs.commit import commit
from maru.components.apiserver.engine.verbs.intake import writer
from maru.components.apiserver.errors import already_exists, raise_causes
from maru.components.apiserver.model import metadata as rules
from maru.core.clock import rfc3339
from maru.core.document import Document, Key, Value
from maru.core.errors import AlreadyExists, Broken
from maru.core.store.interface import ABSENT, Change
from maru.kinds.strategy import Cause
from maru.wire.k8s.managed_fields import track_update
from maru.wire.k8s.schema import TypeNode

NAME_TRIES_MAX = 8  # with generateName; the real server's bound
STATUS_FROM_CREATOR = frozenset({"nodes"})
"""Kinds whose creator brings the status with it."""


async def create(house: House, call: Call, document: Value, *, is_tracked: bool = False) -> Outcome:
    """Write a new document (as `take_in` gave it; changed in place).

    is_tracked: metadata.managedFields is right already (server-side apply).
    Raises AlreadyExists, Invalid, and what admission raises.
    """
    metadata = document["metadata"]
    if metadata.get("resourceVersion"):
        message = "resourceVersion should not be set on objects to be created"
        raise Broken(what=message, why="", message=message, reason="")
    prefix = "" if metadata.get("name") else metadata.get("generateName") or ""
    if prefix:
        metadata["name"] = prefix[: rules.GENERATED_NAME_MAX] + house.ids.suffix()
    review = _review(call, document)
    strategy = call.served.strategy
    strategy.default(document)
    await house.admission.admit(review)
    assert review.value is not None
    document = review.value
    _begin(house, call, document)
    with reserved(house, call, document, None):
        causes = [*check_new(call, document), *strategy.validate_create(document)]
        raise_causes(call.served.stored, document["metadata"].get("name") or prefix, causes)
        if not is_tracked:
            track_update(call.served.kept_node, None, document, writer(call, house.clock), ignored_fields(call))
        call.warn(strategy.warnings(document))
        written = await commit(house, call, review, lambda: _write(house, call, document, review.changes, prefix))
    return Outcome(written, created=True)


def check_new(call: Call, document: Value) -> Sequence[Cause]:
    """All broken rules that any document of the kind can break."""
    return [*rules.check(document["metadata"], call.served.stored), *call.served.strategy.validate(document)]


def ignored_fields(call: Call) -> frozenset[str]:
    """The top-level fields that this way of writing leaves alone."""
    if not call.served.has_status:
        return frozenset()
    if call.subresource == "status":
        return frozenset(name for name in call.served.node.fields if name not in _SHARED_FIELDS) - {"status"}
    return frozenset({"status"}) if call.served.stored.storage not in STATUS_FROM_CREATOR else frozenset()


_ZEROS: Mapping[str, object] = {"integer": 0, "boolean": False}
_SHARED_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


def counts_generation(call: Call) -> bool:
    """Whether metadata.generation counts this kind's changes."""
    served = call.served
    known = any(name in served.node.fields for name in served.strategy.generation_fields)
    return served.strategy.has_generation and (served.custom is not None or known)


def _review(call: Call, document: Value) -> Review:
    return Review(
        operation=CREATE,
        resource=call.served.resource,
        stored=call.served.stored,
        subresource=call.subresource,
        namespace=call.namespace,
        name=document["metadata"].get("name") or "",
        caller=call.caller,
        value=document,
        dry_run=call.options.dry_run,
        is_own=call.is_own,
        annotations=call.annotations,
        options={"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    )


def _begin(house: House, call: Call, document: Value) -> None:
    rules.begin(document["metadata"], house.ids.uid(), rfc3339(house.clock.now()))
    served = call.served
    if served.has_status and served.stored.storage not in STATUS_FROM_CREATOR:
        document.pop("status", None)
        if served.custom is None:
            document["status"] = {}
    served.strategy.prepare_create(document)
    if served.has_status and served.custom is None:
        _show_status(served.node, document)
    if counts_generation(call):
        document["metadata"]["generation"] = 1


def _show_status(node: TypeNode, document: Value) -> None:
    """A status is never left out, and what is required in it is 0 or false: typed clients refuse it otherwise."""
    status, kind = document.setdefault("status", {}), node.fields["status"]
    for name in kind.required:
        zero = _ZEROS.get(kind.fields[name].kind)
        if zero is not None:
            status.setdefault(name, zero)


async def _write(house: House, call: Call, document: Value, changes: Sequence[Change], prefix: str) -> Document:
    stored = call.served.stored
    for attempt in range(1, NAME_TRIES_MAX + 1):
        name = document["metadata"]["name"]
        key = Key(stored.storage, document["metadata"].get("namespace") or "", name)
        if house.store.get(key) is None:
            if call.options.dry_run:
                return Document(key, msgspec.json.encode(document), 0)
            try:
                return (await house.store.write([Change(key, document, ABSENT), *changes]))[0]
            except AlreadyExists:
                if house.store.get(key) is None and changes:
                    raise  # one of the changes beside it is what exists
        if not prefix or attempt == NAME_TRIES_MAX:
            break
        document["metadata"]["name"] = prefix[: rules.GENERATED_NAME_MAX] + house.ids.suffix()
    raise already_exists(stored, document["metadata"]["name"])
