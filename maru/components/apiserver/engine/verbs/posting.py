"""Post: what is answered without being kept (bindings, evictions, tokens, reviews), once admission let it pass.

Source: k8s.io/apiserver/pkg/endpoints/handlers/create.go (CreateNamedResource).
"""

from __future__ import annotations

from maru.components.apiserver.admission.review import CREATE, Review
from maru.components.apiserver.engine.verbs.call import Call, House, Post
from maru.core.document import Value
from maru.wire.k8s.schema import TypeNode


def admitted(house: House, post: Post, node: TypeNode | None) -> Post:
    """`post`, asked once admission has changed the value or let it be. node: the type of the value."""

    async def answer(call: Call, value: Value) -> Value:
        metadata = value.setdefault("metadata", {})
        review = Review(
            operation=CREATE,
            resource=call.served.resource,
            stored=call.served.stored,
            subresource=call.subresource,
            namespace=call.namespace,
            name=call.name or metadata.get("name") or "",
            caller=call.caller,
            value=value,
            dry_run=call.options.dry_run,
            is_own=call.is_own,
            annotations=call.annotations,
            options={"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
            node=node,
        )
        await house.admission.admit(review)
        await house.admission.check(review)
        call.warn(review.warnings)
        assert review.value is not None
        return await post(call, review.value)

    return answer
