"""What is particular to a kind: its defaults, its rules, its columns, its selectable fields.

The API server's verbs are generic; everything a schema cannot say about a kind is one `Strategy`.
All of it is pure: values in, values or causes out. Values handed to `default_*` and `prepare_*`
are the caller's own copies and are changed in place.
Source of the model: k8s.io/apiserver/pkg/registry/rest, RESTCreateStrategy and RESTUpdateStrategy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from maru.core.document import Value


@dataclass(frozen=True, slots=True)
class Cause:
    """One broken rule. field: its path (spec.containers[0].name); reason: FieldValueRequired,
    FieldValueInvalid, FieldValueNotSupported, FieldValueDuplicate, FieldValueForbidden,
    FieldValueTooLong, FieldValueTooMany, FieldValueNotFound, FieldValueTypeInvalid;
    message: as the real server words it.
    """

    field: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the server-side table. cell: from the document and the time now.

    type: string, integer, number, boolean, date. format: "name" for the first column. priority: 0 is
    always shown, 1 only with -o wide.
    """

    name: str
    cell: Callable[[Value, datetime], object]
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


NAME_COLUMN = Column("Name", lambda value, _: value["metadata"]["name"], format="name")
CREATED_COLUMN = Column("Created At", lambda value, _: value["metadata"].get("creationTimestamp"), type="date")


class Strategy:
    """The behaviour of a kind about which nothing more is known; kinds override what is theirs."""

    columns: Sequence[Column] = (NAME_COLUMN, CREATED_COLUMN)
    has_status: bool = True  # writes to the main resource leave `status` alone
    has_generation: bool = True  # metadata.generation counts changes of `generation_fields`
    generation_fields: Sequence[str] = ("spec",)
    default_propagation: str = "Background"
    graceful_deletion: bool = False  # deletion waits for a grace period that somebody ends (Pods)

    def default(self, value: Value) -> None:
        """Fill in what the real server fills in, also on every update."""

    def prepare_create(self, value: Value) -> None:
        """After defaulting, before validation: drop or set what a creator may not choose."""

    def prepare_update(self, value: Value, old: Value, subresource: str) -> None:
        """Carry over from `old` what this way of writing may not change."""

    def validate(self, value: Value) -> Sequence[Cause]:
        """The rules that hold for every document of the kind."""
        return ()

    def validate_create(self, value: Value) -> Sequence[Cause]:
        """The rules that hold only for new documents; called after `validate`."""
        return ()

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        """What may not change; called after `validate`."""
        return ()

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        """Field selector names and values beyond metadata.name and metadata.namespace."""
        return {}

    def warnings(self, value: Value, old: Value | None = None) -> Sequence[str]:
        """Warning headers the real server would send with a create, or with an update of `old`."""
        return ()


@dataclass(frozen=True, slots=True)
class StrategyTable:
    """The strategies by storage name (`Resource.storage`); kinds not listed have the plain one."""

    by_storage: Mapping[str, Strategy] = field(default_factory=dict)
    plain: Strategy = field(default_factory=Strategy)

    def of(self, storage: str) -> Strategy:
        """The strategy of a kind."""
        return self.by_storage.get(storage, self.plain)
