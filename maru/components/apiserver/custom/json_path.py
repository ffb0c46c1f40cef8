"""The JSONPath of printer columns: fields, indices, quoted names, filters by equality, wildcards.

Source: Kubernetes docs, "JSONPath Support"; k8s.io/client-go/util/jsonpath (simple paths).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

Step = Callable[[object], list[object]]
_TOKEN = re.compile(
    r"""\.(?P<field>[A-Za-z_][\w-]*|\*)"""
    r"""|\.(?P<escaped>(?:[\w-]|\\.)+)"""
    r"""|\[(?P<index>-?\d+)\]"""
    r"""|\[(?P<all>\*)\]"""
    r"""|\[(?P<quote>['"])(?P<name>.*?)(?P=quote)\]"""
    r"""|\[\?\(@\.(?P<left>[\w.\\/-]+)\s*(?P<operator>==|!=)\s*(?P<right>"[^"]*"|'[^']*'|[\w.-]+)\)\]"""
)


@lru_cache(maxsize=2048)
def compile_path(text: str) -> Callable[[object], list[object]]:
    """A function from a value to what `text` finds in it. Raises ValueError for a path that is not understood."""
    body = text.strip()
    if body.startswith("{") and body.endswith("}"):
        body = body[1:-1]
    body = body.removeprefix("$")
    if body and not body.startswith((".", "[")):
        body = f".{body}"
    steps: list[Step] = []
    place = 0
    while place < len(body):
        match = _TOKEN.match(body, place)
        if match is None:
            raise ValueError(f"JSONPath {text!r} is not understood at {body[place:]!r}")
        steps.append(_step(match))
        place = match.end()

    def find(value: object) -> list[object]:
        found = [value]
        for step in steps:
            found = [inner for outer in found for inner in step(outer)]
        return found

    return find


def _step(match: re.Match[str]) -> Step:
    if match["index"] is not None:
        return _at(int(match["index"]))
    if match["all"] is not None or match["field"] == "*":
        return _all
    if match["left"] is not None:
        return _where(match["left"].split("."), match["operator"], match["right"].strip("'\""))
    name = match["name"] if match["name"] is not None else match["field"] or match["escaped"].replace("\\", "")
    return _field(name)


def _field(name: str) -> Step:
    def step(value: object) -> list[object]:
        return [value[name]] if isinstance(value, dict) and name in value else []

    return step


def _at(index: int) -> Step:
    def step(value: object) -> list[object]:
        return [value[index]] if isinstance(value, list) and -len(value) <= index < len(value) else []

    return step


def _all(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, dict) else []


def _where(path: Sequence[str], operator: str, wanted: str) -> Step:
    def matches(value: object) -> bool:
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return (text == wanted) == (operator == "==")

    def step(value: object) -> list[object]:
        return [one for one in value if matches(one)] if isinstance(value, list) else []

    return step
