"""A write's turn: with the document's other writers waiting where that is safe, else with none.

Where a webhook is asked about the write, nobody waits for the answer: the webhook may itself write the
same document. Such writes meet at the store, which takes one, and the others are made anew over it.
Source: k8s.io/apiserver/pkg/registry/generic/registry/store.go, whose writers never wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from maru.components.apiserver.engine.verbs.call import Call, House


@asynccontextmanager
async def turn(house: House, call: Call) -> AsyncIterator[None]:
    """The caller reads what is there now, and gives its version to the store when it writes."""
    served = call.served
    if served.conversion is not None or house.admission.asks_outside(served.resource, call.subresource):
        yield
        return
    async with house.locks.hold(call.key):
        yield
