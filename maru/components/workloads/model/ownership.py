"""The graph of owners and dependents, and what is to become of a dependent.

Owners are known by uid; one that no document shows is virtual until the API server was asked.
Source: k8s.io/kubernetes/pkg/controller/garbagecollector, graph_builder.go and garbagecollector.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from maru.core.document import Resource, Value

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Item:
    """One document of any kind; namespace is empty where the kind has none."""

    resource: Resource
    namespace: str
    name: str


class Owner(Enum):
    """What is known of one owner of a document."""

    SOLID = "solid"
    WAITING = "waiting"  # it is being deleted and waits for its dependents to go first
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Verdict:
    """drop_references: uids of owners to forget. propagation: how to delete, or empty."""

    drop_references: tuple[str, ...] = ()
    propagation: str = ""
    unblock: bool = False

    @property
    def is_nothing(self) -> bool:
        """True when the document stays as it is."""
        return not self.drop_references and not self.propagation


class Graph:
    """Who owns whom, by owner's uid."""

    def __init__(self) -> None:
        self._dependents: dict[str, set[Item]] = {}
        self._owners: dict[Item, tuple[str, ...]] = {}
        self._blocking: dict[Item, frozenset[str]] = {}

    def set(self, item: Item, references: Sequence[Value]) -> bool:
        """Note the owners of `item`; True when they, or which of them it blocks, are others than before."""
        uids = tuple(reference["uid"] for reference in references)
        blocking = frozenset(each["uid"] for each in references if each.get("blockOwnerDeletion"))
        if self._owners.get(item, ()) == uids and self._blocking.get(item, frozenset()) == blocking:
            return False
        self._unlink(item)
        self._blocking.pop(item, None)
        if uids:
            self._owners[item] = uids
            self._blocking[item] = blocking
        for uid in uids:
            self._dependents.setdefault(uid, set()).add(item)
        return True

    def drop(self, item: Item) -> Sequence[str]:
        """`item` is gone; the uids of the owners it had."""
        owners = self._owners.get(item, ())
        self._unlink(item)
        self._blocking.pop(item, None)
        return owners

    def dependents(self, uid: str) -> list[Item]:
        """The items that name `uid` as an owner; in a stable order."""
        return sorted(
            self._dependents.get(uid, ()), key=lambda item: (item.resource.storage, item.namespace, item.name)
        )

    def blocking(self, uid: str) -> list[Item]:
        """The dependents that hold up the foreground deletion of `uid`."""
        return [item for item in self.dependents(uid) if uid in self._blocking.get(item, ())]

    def _unlink(self, item: Item) -> None:
        for uid in self._owners.pop(item, ()):
            left = self._dependents.get(uid)
            if left is not None:
                left.discard(item)
                if not left:
                    del self._dependents[uid]


def references_of(value: Value) -> list[Value]:
    """Its owner references, never None."""
    return list(value["metadata"].get("ownerReferences") or ())


def is_deleting_in_foreground(value: Value) -> bool:
    """True while it waits for its dependents to be deleted before itself."""
    metadata = value["metadata"]
    return bool(metadata.get("deletionTimestamp")) and FOREGROUND in (metadata.get("finalizers") or ())


def is_orphaning(value: Value) -> bool:
    """True while its dependents have to be released before it goes."""
    metadata = value["metadata"]
    return bool(metadata.get("deletionTimestamp")) and ORPHAN in (metadata.get("finalizers") or ())


def judge(value: Value, owners: Iterable[tuple[str, Owner]], *, has_dependents: bool) -> Verdict:
    """What becomes of a live document, given its owners (uid, state)."""
    states = list(owners)
    if not states:
        return Verdict()
    lost = tuple(uid for uid, state in states if state is not Owner.SOLID)
    if len(lost) < len(states):
        return Verdict(drop_references=lost)
    if has_dependents and any(state is Owner.WAITING for _, state in states):
        return Verdict(propagation="Foreground", unblock=True)
    finalizers = value["metadata"].get("finalizers") or ()
    if ORPHAN in finalizers:
        return Verdict(propagation="Orphan")
    return Verdict(propagation="Foreground" if FOREGROUND in finalizers else "Background")
