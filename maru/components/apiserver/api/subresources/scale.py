"""scale: get, update and patch of how many replicas a kind has.

Source: k8s.io/kubernetes/pkg/registry/apps/deployment/storage, ScaleREST.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from maru.components.apiserver.admission.review import UPDATE, Review
from maru.components.apiserver.api import answers
from maru.components.apiserver.api.render import ONE_SHAPES, Renderer
from maru.components.apiserver.api.subresources.posted import Body, take
from maru.components.apiserver.api.writes import read_body, read_patch
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.components.apiserver.engine.verbs.turns import turn
from maru.components.apiserver.engine.verbs.update import TRIES_MAX, save
from maru.components.apiserver.errors import bad_request, conflict, invalid, method_not_allowed, not_found
from maru.components.apiserver.model.catalog import served
from maru.components.apiserver.model.negotiate import choose
from maru.components.apiserver.model.options import read_write
from maru.components.apiserver.model.path import Target
from maru.components.apiserver.model.scale import scale_of, with_replicas
from maru.core.client import PatchKind
from maru.core.document import Document, Resource, Value
from maru.core.errors import Conflict
from maru.core.front.message import Answer, Request
from maru.kinds.strategy import Cause, Strategy
from maru.wire.k8s.patch import json_patch, merge_patch
from maru.wire.k8s.schema import ResourceInfo, Schema, TypeNode
from maru.wire.k8s.strategic import strategic_patch

SCALE = Resource("autoscaling", "v1", "scales", "Scale", namespaced=True)


class Scales:
    """Answers requests for scale. strategy: of Scale, for its columns."""

    def __init__(self, house: House, schema: Schema, strategy: Strategy) -> None:
        self._house = house
        node = schema.type_of("autoscaling", "v1", "Scale")
        assert node is not None, "Scale is built in"
        self._node: TypeNode = node
        entry = ResourceInfo("autoscaling", "v1", "Scale", "scales", "scale", namespaced=True, verbs=("get",))
        self._served = served(entry, node, strategy)

    async def answer(self, call: Call, request: Request, target: Target, verb: str) -> Answer:
        """Raises NotFound, Conflict, Invalid, 400, 405."""
        form = choose(request.headers.get("Accept", ""), ONE_SHAPES)
        renderer = Renderer(self._served, form, self._house.clock.now(), include=request.query_get("includeObject"))
        if verb == "get":
            shown = self.shown(call)
        elif verb == "update":
            call.options = read_write(request.query_get)
            decoded = await read_body(request)
            shown = await self.change(call, lambda _: decoded.value, decoded.duplicates)
        elif verb == "patch":
            call.options = read_write(request.query_get)
            kind, decoded = await read_patch(request)
            shown = await self.patch(call, decoded.value, kind, decoded.duplicates)
        else:
            raise method_not_allowed()
        version = int(shown["metadata"]["resourceVersion"])
        document = Document(call.key, msgspec.json.encode(shown), version, shown)
        body = await renderer.one(document)
        return answers.of_bytes(body, content_type=form.content_type, warnings=call.warnings)

    def shown(self, call: Call) -> Value:
        """The Scale as it is. Raises NotFound."""
        return scale_of(call.served, self._current(call).value)

    async def patch(self, call: Call, body: object, kind: PatchKind, duplicates: tuple[str, ...] = ()) -> Value:
        """The Scale after a patch."""
        return await self.change(call, lambda shown: patched(self._node, shown, body, kind), duplicates)

    async def change(self, call: Call, make: Callable[[Value], object], duplicates: tuple[str, ...] = ()) -> Value:
        """The Scale after it was made into what `make` wants."""
        async with turn(self._house, call):
            for attempt in range(1, TRIES_MAX + 1):
                current = self._current(call)
                shown = scale_of(call.served, current.value)
                # The body of a PUT is shared by all tries.
                wanted = msgspec.json.decode(msgspec.json.encode(make(shown)))
                scale = take(call, wanted, Body("autoscaling/v1", "Scale", self._node), duplicates)
                try:
                    written = await self.write(call, current, scale)
                except Conflict:
                    if attempt == TRIES_MAX or self._house.store.get(call.key) is current:
                        raise
                    continue
                return scale_of(call.served, written.value)
        raise AssertionError("the last try answers or raises")

    async def write(self, call: Call, current: Document, scale: Value) -> Document:
        """Take the replicas of `scale` over into `current`, in the caller's turn."""
        scale = await self._admitted(call, current, scale)
        _check(call, current, scale)
        document: Value = msgspec.json.decode(current.body)
        with_replicas(call.served, document, int((scale.get("spec") or {}).get("replicas") or 0))
        whole = Call(
            call.caller,
            call.served,
            call.namespace,
            call.name,
            options=call.options,
            user_agent=call.user_agent,
            warnings=call.warnings,
        )
        return (await save(self._house.admitting_all(), whole, current, document)).document

    async def _admitted(self, call: Call, current: Document, scale: Value) -> Value:
        review = Review(
            operation=UPDATE,
            resource=call.served.resource,
            stored=call.served.stored,
            subresource="scale",
            namespace=call.namespace,
            name=call.name,
            caller=call.caller,
            value=scale,
            old=scale_of(call.served, current.value),
            dry_run=call.options.dry_run,
            is_own=call.is_own,
            annotations=call.annotations,
            options={"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1"},
            node=self._node,
        )
        await self._house.admission.admit(review)
        await self._house.admission.check(review)
        call.warn(review.warnings)
        assert review.value is not None
        return review.value

    def _current(self, call: Call) -> Document:
        current = self._house.store.get(call.key)
        if current is None:
            raise not_found(call.served.stored, call.name)
        return current


def patched(node: TypeNode, shown: Value, body: object, kind: PatchKind) -> object:
    """`shown` with a patch applied."""
    if kind is PatchKind.JSON:
        return json_patch(shown, body)
    if not isinstance(body, dict):
        raise bad_request("error decoding patch: it is not an object")
    if kind is PatchKind.MERGE:
        return merge_patch(shown, body)
    if kind is PatchKind.STRATEGIC:
        return strategic_patch(node, shown, body)
    return merge_patch(shown, {"spec": body.get("spec") or {}})


def _check(call: Call, current: Document, scale: Value) -> None:
    metadata = scale["metadata"]
    if metadata.get("name") not in (None, "", call.name):
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({call.name})"
        )
    uid, version = metadata.get("uid"), metadata.get("resourceVersion")
    if uid and uid != current.metadata["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current.metadata['uid']}"
        raise conflict(call.served.stored, call.name, why)
    if version and version != str(current.version):
        raise conflict(call.served.stored, call.name)
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if replicas < 0:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise invalid(SCALE, call.name, [Cause("spec.replicas", "FieldValueInvalid", text)])
