"""One write as admission sees it, and what a step of admission is.

Steps run in a fixed order, all `admit` (which may change the value) before all `check` (which may
only refuse). A step that needs another document written together with this one adds it to
`changes`: both are committed or none. Source: k8s.io/apiserver/pkg/admission.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from maru.core.access import Caller
from maru.core.document import Resource, Value
from maru.core.store.interface import Change
from maru.wire.k8s.schema import TypeNode

CREATE = "CREATE"
UPDATE = "UPDATE"
DELETE = "DELETE"
CONNECT = "CONNECT"


@dataclass(slots=True)
class Review:
    """operation: CREATE, UPDATE, DELETE or CONNECT. value: None on a delete; old: None on a create.

    resource: as requested; stored: as kept (conversions apply between them). options: the request's
    own CreateOptions, UpdateOptions or DeleteOptions. warnings: sent back to the client. annotations: for the
    audit log. is_own: the caller is a part of the platform, whose rights are not asked. node: the type of the
    value, where a subresource has one of its own (Scale, Binding).
    """

    operation: str
    resource: Resource
    stored: Resource
    subresource: str
    namespace: str
    name: str
    caller: Caller
    value: Value | None = None
    old: Value | None = None
    dry_run: bool = False
    is_own: bool = False
    options: Value = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    node: TypeNode | None = None


class Step(Protocol):
    """One rule of admission. Raises Denied, Invalid, NotFound or Throttled to refuse."""

    @property
    def name(self) -> str:
        """As the real server's plugin is called."""
        ...

    @property
    def counts(self) -> bool:
        """Whether its check counts what is written, so that it runs last and with the writers it meets waiting."""
        ...

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Whether the step looks at such writes at all; asked once for each kind."""
        ...

    def asks_outside(self, resource: Resource, subresource: str) -> bool:
        """Whether it may ask another process about such a write now, which may itself write meanwhile."""
        ...

    async def admit(self, review: Review) -> None:
        """Change `review.value` in place, or refuse."""
        ...

    async def check(self, review: Review) -> None:
        """Refuse, or let pass; changes nothing but `review.changes` and `review.warnings`."""
        ...


class Rule:
    """A step that does nothing yet: what concrete steps derive from."""

    name = "Rule"
    counts = False

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Override: which writes this step sees."""
        raise NotImplementedError

    def asks_outside(self, resource: Resource, subresource: str) -> bool:
        """Nobody is asked."""
        return False

    async def admit(self, review: Review) -> None:
        """Nothing to change."""

    async def check(self, review: Review) -> None:
        """Nothing to refuse."""


class Chain:
    """The ordered steps. `steps` may be replaced while running: a write uses the chain it started with."""

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self._steps = tuple(steps)
        self._covering: dict[tuple[str, Resource, str], tuple[Step, ...]] = {}

    @property
    def steps(self) -> Sequence[Step]:
        return self._steps

    def replace(self, steps: Sequence[Step]) -> None:
        """Use these from now on."""
        self._steps = tuple(steps)
        self._covering = {}

    def covering(self, review: Review) -> Sequence[Step]:
        """The steps that look at this write, in order."""
        key = (review.operation, review.resource, review.subresource)
        steps = self._covering.get(key)
        if steps is None:
            steps = tuple(step for step in self._steps if step.covers(*key))
            self._covering[key] = steps
        return steps

    async def admit(self, review: Review) -> None:
        """Let every covering step change or refuse."""
        for step in self.covering(review):
            await step.admit(review)

    async def check(self, review: Review) -> None:
        """Let every covering step refuse but those that count."""
        for step in self.covering(review):
            if not step.counts:
                await step.check(review)

    async def count(self, review: Review) -> None:
        """Let the covering steps that count refuse, or add what they counted to `review.changes`."""
        for step in self.covering(review):
            if step.counts:
                await step.check(review)

    def asks_outside(self, resource: Resource, subresource: str) -> bool:
        """Whether any step may ask another process about such a write: nobody may have to wait for its end then."""
        return any(step.asks_outside(resource, subresource) for step in self._steps)
