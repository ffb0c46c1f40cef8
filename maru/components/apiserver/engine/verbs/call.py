"""One request for a resource on its way through the verbs, and what the verbs stand on.

A `Call` belongs to one request. `House` is shared: the store, the served kinds, admission and the
keepers of kinds whose writes hold something in memory (Service addresses).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from maru.components.apiserver.admission.review import Chain
from maru.components.apiserver.engine.verbs.feed import OpenFeeds
from maru.components.apiserver.engine.verbs.locks import Locks
from maru.components.apiserver.model.catalog import Catalog, Served
from maru.components.apiserver.model.options import WriteOptions
from maru.core.access import Caller
from maru.core.clock import Clock
from maru.core.document import Document, Key, Value
from maru.core.ids import Ids
from maru.core.store.interface import Store

WARNINGS_MAX = 30  # Warning headers of one answer; more would pass the header bound of common proxies


@dataclass(slots=True)
class Call:
    """Who wants what done to which document. warnings: filled on the way, sent with the answer.

    duplicates: messages about fields that came twice in the body. is_own: the caller is a part of the
    platform, in this process. annotations: what admission says to the audit log.
    """

    caller: Caller
    served: Served
    namespace: str
    name: str = ""
    subresource: str = ""
    options: WriteOptions = field(default_factory=WriteOptions)
    user_agent: str = ""
    duplicates: Sequence[str] = ()
    is_own: bool = False
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Where the document stands."""
        stored = self.served.stored
        return Key(stored.storage, self.namespace if stored.namespaced else "", self.name)

    def warn(self, messages: Sequence[str]) -> None:
        """Tell the client; what is over the bound is dropped."""
        for message in messages:
            if len(self.warnings) < WARNINGS_MAX and message not in self.warnings:
                self.warnings.append(message)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a write came to. document: as kept (its version 0 on a dry run); created: it was not there before."""

    document: Document
    created: bool = False


Post = Callable[[Call, Value], Awaitable[Value]]
"""A subresource or kind that is posted to and answers, without being kept: binding, eviction, token, reviews."""


class Reservation(Protocol):
    """What one write holds until it is known whether it happened."""

    def keep(self) -> None:
        """It happened: what only the old document held is free."""
        ...

    def drop(self) -> None:
        """It did not happen: what was taken for it is free."""
        ...


class Keeper(Protocol):
    """What a kind's writes hold in memory. Calls are synchronous: no other write comes between."""

    def reserve(self, value: Value, old: Value | None) -> Reservation:
        """Fill in what is allotted. Raises Invalid when what was asked for is taken or not to be had."""
        ...

    def forget(self, value: Value) -> None:
        """The document is gone."""
        ...


@contextmanager
def reserved(house: House, call: Call, value: Value, old: Value | None) -> Iterator[None]:
    """Hold what `value` needs while it is written; a write that fails or is a dry run gives it back."""
    keeper = house.keepers.get(call.served.stored.storage) if not call.subresource else None
    if keeper is None:
        yield
        return
    reservation = keeper.reserve(value, old)
    try:
        yield
    except BaseException:
        reservation.drop()
        raise
    if call.options.dry_run:
        reservation.drop()
    else:
        reservation.keep()


@dataclass(frozen=True, slots=True)
class House:
    """keepers: by storage name."""

    store: Store
    catalog: Catalog
    admission: Chain
    clock: Clock
    ids: Ids
    keepers: Mapping[str, Keeper] = field(default_factory=dict)
    locks: Locks = field(default_factory=Locks)
    feeds: OpenFeeds = field(default_factory=OpenFeeds)

    def admitting_all(self) -> House:
        """The same for writes that admission has already seen in another shape."""
        return replace(self, admission=Chain())
