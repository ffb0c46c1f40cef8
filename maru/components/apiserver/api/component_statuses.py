"""componentstatuses: the old way to ask whether the parts of the control plane are well.

Here they are one process: when this answers, they are. Source: core/v1 ComponentStatus.
"""

from __future__ import annotations

import msgspec

from maru.components.apiserver.api import answers
from maru.components.apiserver.api.render import LIST_SHAPES, ONE_SHAPES, Renderer
from maru.components.apiserver.engine.verbs.call import Call
from maru.components.apiserver.engine.verbs.listing import Listed
from maru.components.apiserver.errors import method_not_allowed, not_found
from maru.components.apiserver.model.negotiate import choose
from maru.components.apiserver.model.path import Target
from maru.core.clock import Clock
from maru.core.document import Document, Key, Value
from maru.core.front.message import Answer, Request

NAMES = ("controller-manager", "etcd-0", "scheduler")


class ComponentStatuses:
    """Answers get and list."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def answer(self, call: Call, request: Request, target: Target, verb: str) -> Answer:
        """Raises NotFound, 405."""
        if verb not in ("get", "list"):
            raise method_not_allowed()
        form = choose(request.headers.get("Accept", ""), LIST_SHAPES if verb == "list" else ONE_SHAPES)
        renderer = Renderer(call.served, form, self._clock.now(), include=request.query_get("includeObject"))
        if verb == "list":
            body = await renderer.listing(Listed([_document(name) for name in NAMES], 0))
        elif call.name in NAMES:
            body = await renderer.one(_document(call.name))
        else:
            raise not_found(call.served.resource, call.name)
        return answers.of_bytes(body, content_type=form.content_type)


def _document(name: str) -> Document:
    value: Value = {
        "kind": "ComponentStatus",
        "apiVersion": "v1",
        "metadata": {"name": name, "creationTimestamp": None},
        "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}],
    }
    return Document(Key("componentstatuses", "", name), msgspec.json.encode(value), 0, value)
