"""A document as processors see it: paths, templates and conditions.

Source: Elasticsearch reference, "Access data in a processor", "Conditionally run a processor".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from maru.wire.elastic.dates import iso
from maru.wire.elastic.json import Json, Object, as_text


class Dropped(Exception):
    """The document is not to be kept."""


class ProcessorFault(ValueError):
    """A processor that failed: its words, the type the protocol gives them, and which one it was."""

    def __init__(self, reason: str, kind: str = "illegal_argument_exception") -> None:
        super().__init__(reason)
        self.kind = kind
        self.processor = ""
        self.tag = ""


@dataclass(frozen=True)
class Environment:
    """now: milliseconds. pipeline: runs another one on the same document."""

    now: int
    pipeline: Callable[[str], None]


_CONDITION = re.compile(
    r"\s*(?:ctx\??\.(?P<path>[\w.?@\[\]']+?)(?P<has>\.contains)?)\s*(?:(?P<sign>==|!=|>=|<=|>|"
    r"<)\s*(?P<value>'[^']*'|\"[^\"]*\"|-?[\d.]+|null|true|false)|\((?P<inside>'[^']*'|\"[^\"]*\")\))\s*"
)


def condition_holds(text: str, document: Object) -> bool:
    """Comparisons of fields with constants, joined by && and ||. Raises ProcessorFault for more of Painless."""
    text = text.strip()
    if text in ("true", "false"):
        return text == "true"
    return any(all(_holds(one, document) for one in part.split("&&")) for part in text.split("||"))


def _holds(text: str, document: Object) -> bool:
    is_not = bool(re.match(r"\s*!\s*ctx", text))
    found = _CONDITION.fullmatch(text.replace("!", "", 1) if is_not else text)
    if found is None:
        raise ProcessorFault(
            f"the condition [{text}] is Painless beyond comparisons, which is not supported by Maru", "script_exception"
        )
    have = find(document, found["path"].replace("?", ""))
    if found["inside"] is not None:
        result = have is not None and found["inside"][1:-1] in have
    else:
        want = _constant(found["value"])
        sign = found["sign"]
        if sign in ("==", "!="):
            result = (have == want) == (sign == "==")
        else:
            result = (
                have is not None and {">": have > want, "<": have < want, ">=": have >= want, "<=": have <= want}[sign]
            )
    return bool(result) != is_not


def _constant(text: str) -> Json:
    if text[0] in "'\"":
        return text[1:-1]
    return (
        {"null": None, "true": True, "false": False}[text]
        if text in ("null", "true", "false")
        else float(text)
        if "." in text
        else int(text)
    )


def find(document: Json, path: str) -> Json:
    """The value at a dotted path, None if there is none."""
    for part in path.split("."):
        if isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        else:
            return None
    return document


def put(document: Object, path: str, value: Json) -> None:
    """Set a value, with the objects that lead to it. Raises ProcessorFault."""
    *parents, name = path.split(".")
    level: Json = document
    for part in parents:
        if isinstance(level, dict) and level.get(part) is None:
            level[part] = {}
        level = level[int(part)] if isinstance(level, list) and part.isdecimal() else level[part]
        if not isinstance(level, dict | list):
            raise ProcessorFault(
                f"cannot set [{name}] with parent object of type "
                f"[java.lang.{type(level).__name__.capitalize()}] as part of path [{path}]"
            )
    if isinstance(level, list):
        level[int(name)] = value
    else:
        level[name] = value


def remove(document: Object, path: str) -> bool:
    """Whether there was something."""
    *parents, name = path.split(".")
    level = find(document, ".".join(parents)) if parents else document
    if isinstance(level, dict) and name in level:
        del level[name]
        return True
    return False


def filled(template: Json, document: Object, meta: Object, environment: Environment) -> Json:
    """Mustache's {{field}} and {{{field}}} in text."""
    if not isinstance(template, str) or "{{" not in template:
        return template

    def value(found: re.Match[str]) -> str:
        path = found[1].strip()
        if path == "_ingest.timestamp":
            return iso(environment.now)
        if path.startswith("_ingest."):
            return as_text((meta.get("_ingest") or {}).get(path.removeprefix("_ingest."), ""))
        if path in ("_index", "_id", "_routing"):
            return as_text(meta.get(path) or "")
        have = find(document, path.removeprefix("_source."))
        return "" if have is None else as_text(have)

    return re.sub(r"\{\{\{?([^{}]+)\}\}\}?", value, template)
