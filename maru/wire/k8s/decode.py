"""Bodies to values: JSON, YAML and the API's protobuf envelope.

Source: Kubernetes API concepts, "Alternate representations of resources" and "Field validation".
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import msgspec
import ryaml

from maru.wire.k8s.errors import Malformed, UnsupportedMedia
from maru.wire.k8s.protobuf import decode_envelope

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
ACCEPTED = (JSON, YAML, PROTOBUF)
DEPTH_MAX = 200  # nesting of a body; sigs.k8s.io/json allows 10,000, no kind of the API comes near
DUPLICATES_MAX = 100  # duplicate fields named in one answer

_JSON_PLACES = (  # msgspec's words, and where encoding/json says a character is wrong
    ("invalid character", "looking for beginning of value"),
    ("keys must be strings", "looking for beginning of object key string"),
    ("trailing characters", "after top-level value"),
)
_KEY = re.compile(rb'"\s*:')


@dataclass(frozen=True, slots=True)
class Decoded:
    """value: plain JSON. duplicates: messages (`duplicate field "a.b"`) for strict decoding."""

    value: Any
    duplicates: tuple[str, ...] = ()


def decode(body: bytes, content_type: str = JSON, *, media: str = "") -> Decoded:
    """Read a body by its Content-Type (empty means JSON; parameters are ignored).

    media: what a patch type is carried in, for content types of their own (application/apply-patch+yaml
    is YAML, the other patches JSON). Raises Malformed if it cannot be read or nests deeper than
    DEPTH_MAX, UnsupportedMedia for another type.
    """
    kind = media or media_type(content_type)
    if kind in ("", JSON, "text/json") or kind.endswith("+json"):
        return _decode_json(body)
    if kind in (YAML, "text/yaml", "application/x-yaml") or kind.endswith("+yaml"):
        return _decode_yaml(body)
    if kind == PROTOBUF:
        return Decoded(decode_envelope(body))
    raise UnsupportedMedia(
        "the body of the request was in an unknown format - accepted media types include: " + ", ".join(ACCEPTED)
    )


def media_type(content_type: str) -> str:
    """The type without its parameters, lower case."""
    return content_type.partition(";")[0].strip().lower()


def _decode_json(body: bytes) -> Decoded:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(_json_error(body, error)) from None
    except RecursionError:
        raise Malformed("json: the value nests too deep") from None
    _check_depth(body.count(b"{") + body.count(b"["), value)
    return Decoded(value, _duplicates(body, value))


def _json_error(body: bytes, error: Exception) -> str:
    """In the words of encoding/json, for what people meet; msgspec's own for the rest."""
    text = str(error)
    if not body.strip() or "truncated" in text:
        return "unexpected end of JSON input"
    found = re.search(r"\(byte (\d+)\)", text)
    if found is None:
        return text
    place = next((place for words, place in _JSON_PLACES if words in text), "")
    return f"invalid character {chr(body[min(int(found[1]), len(body) - 1)])!r} {place}" if place else text


def _check_depth(brackets: int, value: Any) -> None:
    if brackets <= DEPTH_MAX:  # a body cannot nest deeper than it has brackets
        return
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [item for parent in level for item in _containers(parent)]
        if not level:
            return
    raise Malformed("json: the value nests too deep")


def _containers(value: Any) -> list[Any]:
    if type(value) is dict:
        return [item for item in value.values() if type(item) is dict or type(item) is list]
    if type(value) is list:
        return [item for item in value if type(item) is dict or type(item) is list]
    return []


def _duplicates(body: bytes, value: Any) -> tuple[str, ...]:
    """Duplicate keys; cheap for bodies that surely have none, as compact encoders write them."""
    if len(msgspec.json.encode(value)) == len(body.rstrip()):
        return ()
    if len(_KEY.findall(body)) == _count_keys(value):
        return ()
    return _find_duplicates(body)


def _count_keys(value: Any) -> int:
    own = len(value) if type(value) is dict else 0
    return own + sum(map(_count_keys, _containers(value)))


class _Pairs(list[tuple[str, Any]]):
    """An object as its pairs, so that a second key is seen."""


def _find_duplicates(body: bytes) -> tuple[str, ...]:
    found: list[str] = []

    def walk(value: Any, path: str) -> None:
        if isinstance(value, _Pairs):
            seen: set[str] = set()
            for key, item in value:
                below = f"{path}.{key}" if path else key
                if key in seen and len(found) < DUPLICATES_MAX:
                    found.append(f'duplicate field "{below}"')
                seen.add(key)
                walk(item, below)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                walk(item, f"{path}[{index}]")

    walk(json.loads(body, object_pairs_hook=_Pairs), "")
    return tuple(found)


def _decode_yaml(body: bytes) -> Decoded:
    if body.lstrip()[:1] in (b"{", b"["):  # kubectl sends apply patches as JSON under the YAML type
        try:
            return _decode_json(body)
        except Malformed:
            pass  # flow style YAML starts alike
    try:
        value = ryaml.loads(body.decode())
    except (ryaml.InvalidYamlError, ValueError, RecursionError) as error:
        raise Malformed(f"error converting YAML to JSON: yaml: {error}") from None
    plain = _plain(value, 0)
    return Decoded(plain)


def _plain(value: Any, depth: int) -> Any:
    """YAML values that JSON has: string keys, finite numbers."""
    if depth > DEPTH_MAX:
        raise Malformed("error converting YAML to JSON: yaml: exceeded max depth")
    if isinstance(value, dict):
        return {_key(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise Malformed(f"error converting YAML to JSON: json: unsupported value: {value}")
    return value


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int | float):
        return str(key)
    raise Malformed(f"error converting YAML to JSON: unsupported map key of type: {type(key).__name__}")
