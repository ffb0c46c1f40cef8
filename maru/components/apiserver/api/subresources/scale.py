"""scale: get, update and patch of how many replicas a kind has.

Source: k8s.io/kubernetes/pkg/registry/apps/deployment/storage, ScaleREST.
"""

from __future__ import annotations

import msgspec

from maru.components.apiserver.api import answers
from maru.components.apiserver.api.subresources.posted import Body, take
from maru.components.apiserver.api.writes import read_body, read_patch
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.components.apiserver.engine.verbs.update import save
from maru.components.apiserver.errors import bad_request, conflict, invalid, method_not_allowed, not_found
from maru.components.apiserver.model.negotiate import choose
from maru.components.apiserver.model.options import read_write
from maru.components.apiserver.model.path import Target
from maru.components.apiserver.model.scale import scale_of, with_replicas
from maru.core.client import PatchKind
from maru.core.document import Document, Resource, Value
from maru.core.front.message import Answer, Request
from maru.kinds.strategy import Cause
from maru.wire.k8s.patch import json_patch, merge_patch
from maru.wire.k8s.schema import Schema, TypeNode
from maru.wire.k8s.strategic import strategic_patch

SCALE = Resource("autoscaling", "v1", "scales", "Scale", namespaced=True)


class Scales:
    """Answers requests for scale."""

    def __init__(self, house: House, schema: Schema) -> None:
        self._house = house
        node = schema.type_of("autoscaling", "v1", "Scale")
        assert node is not None, "Scale is built in"
        self._node: TypeNode = node

    async def answer(self, call: Call, request: Request, target: Target, verb: str) -> Answer:
        """Raises NotFound, Conflict, Invalid, 400, 405."""
        form = choose(request.headers.get("Accept", ""))
        current = self._current(call)
        if verb == "get":
            return answers.of_value(scale_of(call.served, current.value), media=form.media)
        if verb not in ("update", "patch"):
            raise method_not_allowed()
        call.options = read_write(request.query_get)
        async with self._house.locks.hold(call.key):
            current = self._current(call)
            shown = scale_of(call.served, current.value)
            if verb == "update":
                decoded = await read_body(request)
                wanted = decoded.value
            else:
                kind, decoded = await read_patch(request)
                wanted = patched(self._node, shown, decoded.value, kind)
            scale = take(call, wanted, Body("autoscaling/v1", "Scale", self._node), decoded.duplicates)
            written = await self.write(call, current, scale)
        return answers.of_value(scale_of(call.served, written.value), media=form.media, warnings=call.warnings)

    async def write(self, call: Call, current: Document, scale: Value) -> Document:
        """Take the replicas of `scale` over into `current`, whose lock the caller holds."""
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
        return (await save(self._house, whole, current, document)).document

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
