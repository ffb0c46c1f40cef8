"""create, update, patch, delete and deletecollection over HTTP.

Source: k8s.io/apiserver/pkg/endpoints/handlers (create.go, update.go, patch.go, delete.go).
"""

from __future__ import annotations

from maru.components.apiserver.api import answers
from maru.components.apiserver.api.reads import renderer_of
from maru.components.apiserver.api.render import LIST_SHAPES, ONE_SHAPES
from maru.components.apiserver.engine.verbs.call import Call, House, Outcome
from maru.components.apiserver.engine.verbs.create import create as create_document
from maru.components.apiserver.engine.verbs.intake import take_in
from maru.components.apiserver.engine.verbs.listing import Listed, list_documents
from maru.components.apiserver.engine.verbs.patching import patch as patch_document
from maru.components.apiserver.engine.verbs.removal import remove, remove_all
from maru.components.apiserver.engine.verbs.selection import select
from maru.components.apiserver.engine.verbs.update import replace
from maru.components.apiserver.errors import bad_request, success, unsupported_media
from maru.components.apiserver.model.negotiate import JSON, YAML, choose
from maru.components.apiserver.model.options import RemoveOptions, read_list, read_remove, read_write
from maru.core.client import PatchKind
from maru.core.front.message import Answer, Request
from maru.core.limits import REQUEST_BODY_BYTES_MAX
from maru.wire.k8s.decode import Decoded, decode

RETURNED_WHEN_DELETED = frozenset(
    {
        "persistentvolumes",
        "persistentvolumeclaims",
        "podtemplates",
        "pods",
        "resourcequotas",
        "serviceaccounts",
        "services",
    }
)
"""Kinds whose delete answers with the last state instead of a Status. Source: ReturnDeletedObject of each store."""
_PATCH_MEDIA = tuple(kind.value for kind in PatchKind)


async def read_body(request: Request) -> Decoded:
    """The body as a value. Raises 400, 413, 415."""
    body = await request.body(REQUEST_BODY_BYTES_MAX)
    return decode(body, request.headers.get("Content-Type", ""))


async def create(house: House, call: Call, request: Request) -> Answer:
    """POST to a collection."""
    form = choose(request.headers.get("Accept", ""), ONE_SHAPES)
    call.options = read_write(request.query_get)
    decoded = await read_body(request)
    call.duplicates = decoded.duplicates
    document = await take_in(call, decoded.value, decoded.duplicates)
    outcome = await create_document(house, call, document)
    renderer = renderer_of(house, call, request, form)
    body = await renderer.one(outcome.document)
    return answers.of_bytes(body, 201, content_type=form.content_type, warnings=call.warnings)


async def update(house: House, call: Call, request: Request) -> Answer:
    """PUT of a document."""
    call.options = read_write(request.query_get)
    decoded = await read_body(request)
    call.duplicates = decoded.duplicates
    return await shown(house, call, request, await replace(house, call, decoded.value))


async def patch(house: House, call: Call, request: Request) -> Answer:
    """PATCH of a document."""
    call.options = read_write(request.query_get)
    kind, decoded = await read_patch(request)
    call.duplicates = decoded.duplicates
    return await shown(house, call, request, await patch_document(house, call, decoded.value, kind))


async def read_patch(request: Request) -> tuple[PatchKind, Decoded]:
    """The kind of patch and its body. Raises 415 for an unknown kind, 400 for what cannot be read."""
    media = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    try:
        kind = PatchKind(media)
    except ValueError:
        raise unsupported_media(_PATCH_MEDIA, media) from None
    body = await request.body(REQUEST_BODY_BYTES_MAX)
    return kind, decode(body, YAML if kind is PatchKind.APPLY else JSON)


async def shown(house: House, call: Call, request: Request, outcome: Outcome) -> Answer:
    """The answer of a write."""
    form = choose(request.headers.get("Accept", ""), ONE_SHAPES)
    body = await renderer_of(house, call, request, form).one(outcome.document)
    status = 201 if outcome.created else 200
    return answers.of_bytes(body, status, content_type=form.content_type, warnings=call.warnings)


async def delete(house: House, call: Call, request: Request) -> Answer:
    """DELETE of a document."""
    form = choose(request.headers.get("Accept", ""), ONE_SHAPES)
    options = await _remove_options(request)
    removed = await remove(house, call, options)
    if removed.is_gone and call.served.stored.storage not in RETURNED_WHEN_DELETED:
        status = success(call.served.resource, call.name, removed.document.metadata["uid"])
        return answers.of_value(status, media=form.media, warnings=call.warnings)
    body = await renderer_of(house, call, request, form).one(removed.document)
    return answers.of_bytes(body, content_type=form.content_type, warnings=call.warnings)


async def delete_collection(house: House, call: Call, request: Request) -> Answer:
    """DELETE of a collection: everything the selectors match."""
    options = read_list(request.query_get)
    form = choose(request.headers.get("Accept", ""), LIST_SHAPES)
    how = await _remove_options(request)
    selection = select(call.served, options.labels, options.fields)
    listed = list_documents(house.store, call.served.stored.storage, call.namespace, selection, options)
    documents = await remove_all(house, call, listed.documents, how)
    body = await renderer_of(house, call, request, form).listing(Listed(documents, house.store.version))
    return answers.of_bytes(body, content_type=form.content_type, warnings=call.warnings)


async def _remove_options(request: Request) -> RemoveOptions:
    decoded = await read_body(request) if _has_body(request) else Decoded({})
    if not isinstance(decoded.value, dict):
        raise bad_request("DeleteOptions must be an object")
    return read_remove(request.query_get, decoded.value)


def _has_body(request: Request) -> bool:
    return request.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in request.headers
