"""The configuration of a platform, `<data-dir>/config.yaml`: one section per component, all checked at once.

`maru up` and `maru restart` read it before they touch anything, so that a slip of the pen ends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from maru.boot.catalog import COMPONENTS
from maru.core.config import Config, read_file, section
from maru.core.errors import Invalid

FILE = "config.yaml"


def settings_of(data_dir: Path) -> Mapping[str, object]:
    """The sections, each of a component that has settings, with known keys and values within bounds.

    Raises Invalid naming file, section, key and bound.
    """
    path = data_dir / FILE
    sections = read_file(path)
    for name in sections:
        kind = _kind_of(name)
        if kind is None:
            names = ", ".join(component for component in COMPONENTS if _kind_of(component))
            raise Invalid(
                what=f"configuration {path}",
                why=f"no component {name!r} has settings",
                fix=f"name the section after one of {names}",
            )
        section(sections, name, kind)
    return sections


def _kind_of(name: object) -> type[Config] | None:
    if name not in COMPONENTS or find_spec(f"maru.components.{name}.config") is None:
        return None
    module = import_module(f"maru.components.{name}.config")
    for thing in vars(module).values():
        if isinstance(thing, type) and issubclass(thing, Config) and thing.__module__ == module.__name__:
            return thing
    return None
