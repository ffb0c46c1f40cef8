"""Connect: what admission says to exec, attach, port-forward and proxies before bytes flow.

Source: k8s.io/apiserver/pkg/endpoints/handlers/rest.go (ConnectResource).
"""

from __future__ import annotations

from maru.components.apiserver.admission.review import CONNECT, Review
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.core.document import Value


async def connect(house: House, call: Call, kind: str, options: Value) -> None:
    """Raises what admission raises. kind, options: of the object that asks (PodExecOptions)."""
    review = Review(
        operation=CONNECT,
        resource=call.served.resource,
        stored=call.served.stored,
        subresource=call.subresource,
        namespace=call.namespace,
        name=call.name,
        caller=call.caller,
        value={"kind": kind, "apiVersion": "v1", **options},
        is_own=call.is_own,
        annotations=call.annotations,
    )
    await house.admission.admit(review)
    await house.admission.check(review)
    call.warn(review.warnings)
