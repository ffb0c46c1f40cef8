"""Strict configuration: one struct per component, unknown keys are errors, every knob has a bound.

The file is `<data-dir>/config.yaml`, one section per component. A component's `config.py` declares a
frozen `msgspec.Struct` with defaults; bounds are `msgspec.Meta` annotations.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import ryaml

from maru.core.errors import Invalid

S = TypeVar("S", bound=msgspec.Struct)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of every component's configuration."""


def read_file(path: Path) -> Mapping[str, object]:
    """The sections of the file; empty if there is none. Raises Invalid."""
    if not path.exists():
        return {}
    try:
        sections = ryaml.loads(path.read_text())
    except (ryaml.InvalidYamlError, UnicodeDecodeError) as error:
        raise Invalid(what=f"configuration {path}", why=str(error), fix="correct the YAML") from error
    except OSError as error:
        why = error.strerror or str(error)
        raise Invalid(what=f"configuration {path}", why=why, fix="make it a file that root can read") from error
    if sections is None:
        return {}
    if not isinstance(sections, dict):
        why = "it is not a mapping of component to settings"
        raise Invalid(
            what=f"configuration {path}", why=why, fix="begin each section with a component's name and a colon"
        )
    return sections


def section(sections: Mapping[str, object], name: str, kind: type[S]) -> S:
    """The settings of component `name`, checked. Raises Invalid naming the key and the bound."""
    try:
        return msgspec.convert(sections.get(name) or {}, kind)
    except msgspec.ValidationError as error:
        raise Invalid(
            what=f"configuration section {name!r}", why=str(error), fix=f"see maru/components/{name}/config.py"
        ) from error
