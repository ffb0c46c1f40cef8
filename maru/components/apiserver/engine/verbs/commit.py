"""The last steps of a write: what may still refuse it, and the commit, together with what must change beside it.

A step of admission may add writes of its own (a quota's new usage). Writers that meet in them wait
for each other; if such a document changes beside the API, it is counted again. Everything else is
checked before, while nobody waits: a webhook may write in the same namespace.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from maru.components.apiserver.admission.quotas import counts
from maru.components.apiserver.admission.review import Review
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.core.document import Document
from maru.core.errors import Conflict
from maru.core.store.interface import Change

TRIES_MAX = 20
AGAIN_S = 0.005

Write = Callable[[], Awaitable[Document]]


async def commit(house: House, call: Call, review: Review, write: Write) -> Document:
    """Let admission refuse, then write. Raises what either raises."""
    await house.admission.check(review)
    call.warn(review.warnings)
    async with AsyncExitStack() as stack:
        if counts(house.store, call.served.stored, call.namespace):
            await stack.enter_async_context(house.locks.hold(("quota", call.namespace)))
        for attempt in range(1, TRIES_MAX + 1):
            review.changes.clear()
            await house.admission.count(review)
            try:
                return await write()
            except Conflict:
                if attempt == TRIES_MAX or not _is_overtaken(house, review.changes):
                    raise
            await house.clock.sleep(AGAIN_S)
    raise AssertionError("the last try answers or raises")


def _is_overtaken(house: House, changes: Sequence[Change]) -> bool:
    """Whether one of what was to be written beside the document has changed."""
    for change in changes:
        current = house.store.get(change.key)
        if change.expect is not None and (0 if current is None else current.version) != change.expect:
            return True
    return False
