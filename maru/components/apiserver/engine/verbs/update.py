"""Update: what a replace and every patch come to in the end.

A write that changes nothing is answered with what is there and gets no revision. A document whose
last finalizer goes away while it is being deleted is deleted by that very write.
Source: k8s.io/apiserver/pkg/registry/rest/update.go and pkg/registry/generic/registry/store.go.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from maru.components.apiserver.admission.review import UPDATE, Review
from maru.components.apiserver.engine.verbs.call import Call, House, Outcome, reserved
from maru.components.apiserver.engine.verbs.commit import commit
from maru.components.apiserver.engine.verbs.create import check_new, counts_generation, create, ignored_fields
from maru.components.apiserver.engine.verbs.intake import take_in, writer
from maru.components.apiserver.engine.verbs.turns import turn
from maru.components.apiserver.errors import conflict, not_found, raise_causes
from maru.components.apiserver.model import metadata as rules
from maru.components.apiserver.model.reach import keep
from maru.core.document import Document, Value
from maru.core.errors import AlreadyExists, Conflict, NotFound
from maru.core.store.interface import Change
from maru.kinds.strategy import Cause
from maru.wire.k8s.managed_fields import track_update

CREATED_BY_UPDATE = frozenset(
    {
        "endpoints",
        "events",
        "limitranges",
        "podtemplates",
        "services",
        "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
    }
)
"""Kinds that a PUT of a name that is not there creates. Source: AllowCreateOnUpdate of each strategy."""
TRIES_MAX = 20
"""How often a write is made anew over what others wrote meanwhile; the real server ends with the request's time."""
VERSION_REQUIRED = frozenset(
    {
        "apiservices.apiregistration.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "endpointslices.discovery.k8s.io",
        "leases.coordination.k8s.io",
    }
)
"""Built-in kinds without unconditional updates; custom resources have none either."""
_CHANGES_INTENT = frozenset({"", "ephemeralcontainers", "resize"})
_VERSION_MISSING = Cause(
    "metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0: must be specified for an update"
)


async def replace(house: House, call: Call, value: object) -> Outcome:
    """PUT: the whole document. Creates it where the kind allows that. Raises Conflict if it names another version."""
    sent = msgspec.json.encode(value)
    for attempt in range(1, TRIES_MAX + 1):
        document = await take_in(call, value if attempt == 1 else msgspec.json.decode(sent), call.duplicates)
        async with turn(house, call):
            current = house.store.get(call.key)
            try:
                if current is not None:
                    return await save(house, call, current, document)
                if call.subresource or call.served.stored.storage not in CREATED_BY_UPDATE:
                    raise not_found(call.served.stored, call.name)
                document["metadata"].pop("resourceVersion", None)
                return await create(house, call, document)
            except (Conflict, AlreadyExists):
                # Somebody wrote meanwhile; what the document itself demands stays broken.
                if attempt == TRIES_MAX or house.store.get(call.key) is current:
                    raise
    raise AssertionError("the last try answers or raises")


async def save(house: House, call: Call, current: Document, document: Value, *, is_tracked: bool = False) -> Outcome:
    """Write `document` (owned, changed in place) over `current`, in the caller's turn.

    Raises Conflict if it names another version or uid or `current` is not what is there any more, Invalid, and
    what admission raises.
    """
    old = current.value
    _check_identity(call, current, document)
    _keep(call, document, current)
    rules.carry_over(document["metadata"], old["metadata"])
    strategy = call.served.strategy
    strategy.default(document)
    review = _review(call, document, old)
    await house.admission.admit(review)
    assert review.value is not None
    document = review.value
    rules.carry_over(document["metadata"], old["metadata"])
    strategy.prepare_update(document, old, call.subresource)
    if call.subresource in _CHANGES_INTENT and counts_generation(call) and _intent_changed(call, document, old):
        document["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1
    with reserved(house, call, document, old):
        _check_rules(call, document, old)
        if not is_tracked:
            track_update(call.served.kept_node, old, document, writer(call, house.clock), ignored_fields(call))
        if call.subresource != "status":
            call.warn(strategy.warnings(document, old))
        written = await commit(house, call, review, lambda: _write(house, call, current, document, review))
    return Outcome(written)


def is_finished(document: Value) -> bool:
    """Whether a document that is being deleted has nothing left to wait for."""
    metadata = document["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if document.get("kind") == "Namespace" and (document.get("spec") or {}).get("finalizers"):
        return False
    return not metadata.get("deletionGracePeriodSeconds")


def same(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether two documents are equal but for their revision and the times in managedFields."""
    if one.keys() != other.keys():
        return False
    if any(value != other[name] for name, value in one.items() if name != "metadata"):
        return False
    return _settled(one["metadata"]) == _settled(other["metadata"])


def _settled(metadata: object) -> Value:
    assert isinstance(metadata, dict)
    settled = {name: value for name, value in metadata.items() if name != "resourceVersion"}
    entries = settled.get("managedFields")
    if entries:
        settled["managedFields"] = [
            {name: value for name, value in entry.items() if name != "time"} for entry in entries
        ]
    return settled


def _check_identity(call: Call, current: Document, document: Value) -> None:
    metadata = document["metadata"]
    uid = metadata.get("uid")
    if uid and uid != current.metadata["uid"]:
        raise conflict(
            call.served.stored,
            call.name,
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current.metadata['uid']}",
        )
    version = metadata.get("resourceVersion") or ""
    if version in ("", "0"):
        stored = call.served.stored
        if not call.subresource and (stored.storage in VERSION_REQUIRED or call.served.custom is not None):
            raise_causes(stored, call.name, [_VERSION_MISSING])
    elif version != str(current.version):
        raise conflict(call.served.stored, call.name)
    metadata["resourceVersion"] = str(current.version)


def _keep(call: Call, document: Value, current: Document) -> None:
    """Carry over what this way of writing does not reach. The parts come from a copy of their own."""
    if call.served.has_status or call.subresource:
        keep(
            document,
            msgspec.json.decode(current.body),
            call.subresource,
            has_status=call.served.has_status,
            is_custom=call.served.custom is not None,
        )


def _intent_changed(call: Call, document: Value, old: Value) -> bool:
    if call.served.custom is None:
        return any(document.get(name) != old.get(name) for name in call.served.strategy.generation_fields)
    left_out = {"metadata", "status"} if call.served.has_status else {"metadata"}
    names = (document.keys() | old.keys()) - left_out
    return any(document.get(name) != old.get(name) for name in names)


def _check_rules(call: Call, document: Value, old: Value) -> None:
    strategy = call.served.strategy
    causes = list(rules.check_update(document["metadata"], old["metadata"]))
    if call.subresource == "status" and call.served.custom is None:
        causes += rules.check(document["metadata"], call.served.stored)  # the rest stands as it was accepted
    else:
        causes += check_new(call, document)
    causes += strategy.validate_update(document, old, call.subresource)
    raise_causes(call.served.stored, call.name, list(dict.fromkeys(causes)))


def _review(call: Call, document: Value, old: Value) -> Review:
    return Review(
        operation=UPDATE,
        resource=call.served.resource,
        stored=call.served.stored,
        subresource=call.subresource,
        namespace=call.namespace,
        name=call.name,
        caller=call.caller,
        value=document,
        old=old,
        dry_run=call.options.dry_run,
        is_own=call.is_own,
        annotations=call.annotations,
        options={"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1"},
    )


async def _write(house: House, call: Call, current: Document, document: Value, review: Review) -> Document:
    if same(document, current.value):
        return current
    key = current.key
    if call.options.dry_run:
        return Document(key, msgspec.json.encode(document), current.version)
    change = Change(key, document, current.version)
    if is_finished(document):
        change = Change(key, None, current.version, last=document)
    try:
        written = (await house.store.write([change, *review.changes]))[0]
    except Conflict as error:
        raise conflict(call.served.stored, call.name) from error
    except NotFound as error:
        raise not_found(call.served.stored, call.name) from error
    if change.value is None:
        keeper = house.keepers.get(key.storage)
        if keeper is not None:
            keeper.forget(written.value)
    return written
