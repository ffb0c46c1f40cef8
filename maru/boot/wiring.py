"""Putting components together by type: each `Needs` is filled from what the earlier ones gave.

A component module has a frozen dataclass `Needs`, a frozen dataclass `Gives` and
`open(needs) -> async context manager of Gives`. A field's type says what it wants; there is one
thing of each type in a process, or several, which a field of type `Sequence[kind]` gets all of, in
order. Components are opened in the given order and closed in reverse.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields
from types import ModuleType
from typing import Any, get_origin, get_type_hints

import msgspec

from maru.core.config import section
from maru.core.errors import Broken

Things = dict[type, Any]
"""What Needs are filled from: by type the thing given last, and under `Sequence[kind]` all of that type."""


@asynccontextmanager
async def opened(
    components: Sequence[tuple[str, ModuleType]], given: Things, settings: Mapping[str, object]
) -> AsyncIterator[Things]:
    """Open `components` (name, its component module) in order; yields all things there are then.

    Raises Broken when a need is met by nothing that stands before it, Invalid for wrong settings.
    """
    things = dict(given)
    async with AsyncExitStack() as stack:
        for name, module in components:
            needs = _fill(name, module.Needs, things, settings)
            gives = await stack.enter_async_context(module.open(needs))
            for field_name, kind in get_type_hints(type(gives)).items():
                thing = getattr(gives, field_name)
                things[kind] = thing
                several: Any = Sequence[kind]  # type: ignore[valid-type] # a kind known only now
                things[several] = (*things.get(several, ()), thing)
        yield things


def _fill(name: str, needs: type, things: Things, settings: Mapping[str, object]) -> object:
    hints = get_type_hints(needs)
    values: dict[str, object] = {}
    for field in fields(needs):
        kind = hints[field.name]
        if kind in things:
            values[field.name] = things[kind]
        elif get_origin(kind) is Sequence:
            values[field.name] = ()
        elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            values[field.name] = section(settings, name, kind)
        else:
            raise Broken(
                what=f"component {name!r}",
                why=f"nothing that stands before it gives {kind.__name__}",
                fix="mend the order in maru/boot/catalog.py",
            )
    return needs(**values)
