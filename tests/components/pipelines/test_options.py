"""Every option that a plugin takes does something, cannot change an event, or is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import msgspec
import pytest

import maru.components.pipelines
from maru.components.pipelines.engine.inputs.generating import GeneratorOptions
from maru.components.pipelines.engine.inputs.streams import TcpOptions
from maru.components.pipelines.model.options import Options, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.parser import parse
from maru.wire.logstash.syntax import Plugin

SHARED = (
    "engine.kafka",
    "engine.s3_client",
    "engine.sessions",
)  # they read the options that an input and an output have alike


def structs() -> Iterator[tuple[type[Options], str]]:
    """Each plugin's options with the text of their module, and of what it shares with others."""
    for module in walk_packages(maru.components.pipelines.__path__, "maru.components.pipelines."):
        loaded = import_module(module.name)
        text = Path(str(loaded.__file__)).read_text()
        for name in SHARED:
            if f"pipelines.{name} import" in text:
                text += Path(str(import_module(f"maru.components.pipelines.{name}").__file__)).read_text()
        for thing in vars(loaded).values():
            if isinstance(thing, type) and issubclass(thing, Options) and thing.__module__ == module.name:
                yield thing, text


def test_no_option_is_taken_and_forgotten() -> None:
    found = list(structs())
    assert len(found) > 30
    shared = {"id", "type", "tags", "codec", "add_field", "remove_field", "add_tag", "remove_tag"}  # see shape.py
    forgotten = [
        f"{struct.__name__}.{field.name}"
        for struct, text in found
        for field in msgspec.structs.fields(struct)
        if field.name in struct.__annotations__
        and field.name not in shared | struct.not_done | struct.without_effect
        and not re.search(rf"\.{field.name}\b|\"{field.name}\"", text)
    ]
    assert forgotten == []


def plugin(text: str) -> Plugin:
    (written,) = parse(f"input {{ {text} }}").inputs
    assert isinstance(written, Plugin)
    return written


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("generator { threads => 2 }", "threads"),
        ("generator { enable_metric => false }", "enable_metric"),
        ("generator { ecs_compatibility => disabled }", "ecs_compatibility"),
    ],
)
def test_what_is_not_done_is_refused_by_name(text: str, name: str) -> None:
    with pytest.raises(Invalid, match=f"Setting '{name}' is not supported by Maru"):
        options_of(plugin(text), GeneratorOptions, "input")


def test_what_is_so_anyway_may_be_said() -> None:
    said = plugin('tcp { port => "7000" ecs_compatibility => v1 enable_metric => true }')
    assert options_of(said, TcpOptions, "input").port == 7000
