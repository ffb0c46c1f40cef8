"""grok: a line becomes fields.

Expressions are tried in order until one fits (or all, with break_on_match false). Looking for a
literal text that an expression needs spares the regular expression where it is absent. A match that
takes too long is given up: the limit is watched over a batch, and what was under way gets the tag.
Source: Logstash reference, "Grok filter plugin".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from maru.components.pipelines.model.event import Event, text_of
from maru.components.pipelines.model.filters.shape import Filter, Tools, decoration_of, within
from maru.components.pipelines.model.grok.compiling import Grok, compile_grok
from maru.components.pipelines.model.grok.library import ECS, LEGACY, library, read_patterns
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import Reference, parse_reference
from maru.wire.logstash.syntax import Plugin


class GrokOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the plugin's reference. timeout_millis: 0 for none; a second here, since other pipelines wait meanwhile.

    timeout_scope: the limit is watched over a batch, which is closer than either scope asks for.
    """

    match: Mapping[str, object] = {}
    pattern_definitions: Mapping[str, str] = {}
    patterns_dir: Sequence[str] = ()
    patterns_files_glob: str = "*"
    break_on_match: bool = True
    named_captures_only: bool = True
    keep_empty_captures: bool = False
    overwrite: Sequence[str] = ()
    target: str = ""
    tag_on_failure: Sequence[str] = ("_grokparsefailure",)
    tag_on_timeout: str = "_groktimeout"
    timeout_millis: int = 1_000
    timeout_scope: str = "pattern"
    ecs_compatibility: str = msgspec.field(default="v8")


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid for a pattern that is not there or cannot be compiled."""
    options = options_of(plugin, GrokOptions, "filter")
    if options.timeout_scope not in ("pattern", "event"):
        raise Invalid(what="grok", why=f"no timeout_scope {options.timeout_scope!r}", fix="pattern or event")
    patterns = _patterns(options, tools)
    matches: list[tuple[Reference, Sequence[Grok]]] = []
    for field, written in options.match.items():
        sources = written if isinstance(written, list) else [written]
        groks = [compile_grok(str(source), patterns, named_only=options.named_captures_only) for source in sources]
        matches.append((parse_reference(field), groks))
    if not matches:
        raise Invalid(
            what=f"filter plugin 'grok' at line {plugin.place.line}",
            why="nothing to match",
            fix='match => { "message" => "%{...}" }',
        )
    is_matched, decoration = _Matcher(matches, options).is_matched, decoration_of(options)
    decorates = not decoration.is_empty

    def match(event: Event) -> None:
        if is_matched(event) and decorates:
            decoration.apply(event)

    return within(tools, options.timeout_millis / 1000, match, options.tag_on_timeout)


def _patterns(options: GrokOptions, tools: Tools) -> Mapping[str, str]:
    spelling = LEGACY if options.ecs_compatibility == "disabled" else ECS
    patterns = dict(library(spelling))
    for folder in options.patterns_dir:
        path = Path(folder)
        files = sorted(path.glob(options.patterns_files_glob)) if path.is_dir() else [path]
        for file in files:
            patterns.update(read_patterns(tools.read_file(file).decode(), file.name))
    return {**patterns, **options.pattern_definitions}


class _Matcher:
    def __init__(self, matches: Sequence[tuple[Reference, Sequence[Grok]]], options: GrokOptions) -> None:
        self._matches = [
            (reference, [(needle_of(grok.pattern), grok.pattern.search, _puts(grok, options)) for grok in groks])
            for reference, groks in matches
        ]
        self._stops = options.break_on_match
        self._keeps_empty = options.keep_empty_captures
        self._overwrite = {parse_reference(name) for name in options.overwrite}
        self._failure_tags = options.tag_on_failure

    def is_matched(self, event: Event) -> bool:
        """Put what fits into the event; tag it when nothing does."""
        found = False
        for reference, groks in self._matches:
            value = event.get(reference)
            if value is None:
                continue
            for line in value if isinstance(value, list) else (value,):
                text = line if isinstance(line, str) else text_of(line)
                for needle, search, puts in groks:
                    if needle and needle not in text:
                        continue
                    match = search(text)
                    if match is None:
                        continue
                    self._put(event, match, puts)
                    found = True
                    if self._stops:
                        break
            if found and self._stops:
                return True
        if not found:
            for tag in self._failure_tags:
                event.tag(tag)
        return found

    def _put(self, event: Event, match: re.Match[str], puts: Sequence[tuple[int, Reference, object]]) -> None:
        texts = match.groups()
        for group, reference, convert in puts:
            text = texts[group - 1]
            if not text and not self._keeps_empty:
                continue
            value = text if convert is None or text is None else convert(text)  # type: ignore[operator]
            have = event.get(reference)
            if have is None or reference in self._overwrite:
                event.put(reference, value)
            elif isinstance(have, list):
                have.append(value)
            else:
                event.put(reference, [have, value])


def _puts(grok: Grok, options: GrokOptions) -> Sequence[tuple[int, Reference, object]]:
    under = parse_reference(options.target) if options.target else ()
    return [(capture.group, under + capture.reference, capture.convert) for capture in grok.captures]


def needle_of(pattern: re.Pattern[str]) -> str:
    """A text that every line it fits has in it: the longest literal on the way, "" if there is none.

    Alternatives, options and classes have none that is sure; groups that must stand are looked into.
    """
    from re import _parser  # type: ignore[attr-defined] # the tree that `re` itself makes

    tree = _parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    if pattern.flags & re.IGNORECASE:
        return ""
    best, run = "", ""
    for kind, argument in _flat(tree):
        if kind == "LITERAL":
            run += chr(argument)
        else:
            best, run = max(best, run, key=len), ""
    return max(best, run, key=len)


def _flat(tree: object) -> list[tuple[str, int]]:
    steps: list[tuple[str, int]] = []
    for kind, argument in tree:  # type: ignore[attr-defined]
        name = str(kind)
        if name == "SUBPATTERN" and not argument[1]:
            steps += _flat(argument[3])
        elif name == "LITERAL":
            steps.append((name, argument))
        else:
            steps.append(("GAP", 0))
    return steps
