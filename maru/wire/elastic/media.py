"""Media types of requests and answers: JSON, NDJSON, YAML, and the versioned ones of the clients.

A client that says compatible-with=8 or 9 hears its own media type back. Source: Elasticsearch reference,
"REST API compatibility"; org.elasticsearch.xcontent.ParsedMediaType.
"""

from __future__ import annotations

import re

from maru.wire.elastic.json import Json, Object, as_text

JSON = "application/json"
_VENDOR = re.compile(
    r"application/vnd\.elasticsearch\+(json|x-ndjson|yaml)\s*;\s*compatible-with\s*=\s*(\d+)", re.IGNORECASE
)


def answer_type(accept: str, content: str) -> str:
    """The Content-Type of an answer to what was sent."""
    found = _VENDOR.search(accept or "")
    if found:
        kind = "yaml" if found[1].lower() == "yaml" else "json"
        return f"application/vnd.elasticsearch+{kind};compatible-with={found[2]}"
    if "yaml" in (accept or ""):
        return "application/yaml"
    return JSON


def is_readable(content: str) -> bool:
    """Whether a request body of this Content-Type can be read."""
    plain = content.partition(";")[0].strip().lower()
    return plain in (
        "",
        "application/json",
        "application/x-ndjson",
        "application/vnd.elasticsearch+json",
        "application/vnd.elasticsearch+x-ndjson",
        "application/yaml",
        "application/vnd.elasticsearch+yaml",
    )


def as_yaml(value: Json, depth: int = 0) -> str:
    """Plain YAML of a JSON value."""
    pad = "  " * depth
    if isinstance(value, dict):
        if not value:
            return " {}\n"
        lines = "" if depth == 0 else "\n"
        return lines + "".join(f"{pad}{_word(name)}:{as_yaml(one, depth + 1)}" for name, one in value.items())
    if isinstance(value, list):
        if not value:
            return " []\n"
        out = "\n"
        for one in value:
            inner = as_yaml(one, depth + 1)
            out += f"{pad}-{' ' + inner.lstrip() if isinstance(one, dict) and one else inner}"
        return out
    return f" {_word(value)}\n"


def _word(value: Json) -> str:
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z_][\w.@/-]*", value) and value not in (
            "true",
            "false",
            "null",
            "yes",
            "no",
            "on",
            "off",
        )
        return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return as_text(value)


def filtered(value: Json, patterns: str) -> Json:
    """filter_path: what of an answer is sent. Source: Elasticsearch reference, "Response filtering"."""
    wanted = [one.split(".") for one in patterns.split(",") if one and not one.startswith("-")]
    unwanted = [one[1:].split(".") for one in patterns.split(",") if one.startswith("-")]
    if wanted:
        value = _keep(value, [_joined(one) for one in wanted])
        if value is None:
            value = {}
    if unwanted:
        value = _drop(value, [_joined(one) for one in unwanted])
    return value


def _joined(parts: list[str]) -> list[str]:
    """Dots escaped with a backslash stay in a name."""
    out: list[str] = []
    for part in parts:
        if out and out[-1].endswith("\\"):
            out[-1] = out[-1][:-1] + "." + part
        else:
            out.append(part)
    return out


def _step(name: str, patterns: list[list[str]]) -> tuple[bool, list[list[str]]]:
    """(a pattern ends here, what is left of those that go on)."""
    ends, rest = False, []
    for pattern in patterns:
        head = pattern[0]
        if head == "**":
            rest.append(pattern)
            if len(pattern) > 1:
                inner_ends, inner = _step(name, [pattern[1:]])
                ends = ends or inner_ends
                rest += inner
            else:
                ends = True
        elif re.fullmatch(re.escape(head).replace(r"\*", ".*"), name):
            if len(pattern) == 1:
                ends = True
            else:
                rest.append(pattern[1:])
    return ends, rest


def _keep(value: Json, patterns: list[list[str]]) -> Json:
    if isinstance(value, dict):
        kept: Object = {}
        for name, one in value.items():
            ends, rest = _step(name, patterns)
            if ends:
                kept[name] = one
            elif rest:
                inner = _keep(one, rest)
                if inner is not None:
                    kept[name] = inner
        return kept or None
    if isinstance(value, list):
        items = [inner for inner in (_keep(one, patterns) for one in value) if inner is not None]
        return items or None
    return None


def _drop(value: Json, patterns: list[list[str]]) -> Json:
    if isinstance(value, dict):
        kept = {}
        for name, one in value.items():
            ends, rest = _step(name, patterns)
            if not ends:
                kept[name] = _drop(one, rest) if rest else one
        return kept
    return [_drop(one, patterns) for one in value] if isinstance(value, list) else value
