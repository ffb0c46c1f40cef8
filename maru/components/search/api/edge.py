"""The edge: which action a path means, parameters, and answers in Elasticsearch's form.

Literal parts of a path win over placeholders. Source: Elasticsearch reference, "API conventions", "Common
options"; RestController.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

import msgspec

from maru.components.search.api.parameters import KNOWN
from maru.components.search.errors import answer_body, failure, illegal, status_of
from maru.core.errors import MaruError, TooLarge
from maru.core.front.message import Answer, Handler, Request
from maru.wire.elastic.json import BodyError, Json, Object, decode, decode_object, encode
from maru.wire.elastic.media import answer_type, as_yaml, filtered, is_readable

PRODUCT = {"X-Elastic-Product": "Elasticsearch"}


@dataclass(frozen=True, slots=True)
class Reply:
    """value: JSON, or text (str), or nothing at all (None)."""

    value: Json
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Call:
    """One request as actions see it: path parts by name, parameters, the body."""

    def __init__(self, request: Request, parts: Mapping[str, str], body: bytes) -> None:
        self.request = request
        self.parts = parts
        self.body = body
        self._query = dict(request.query)

    @property
    def method(self) -> str:
        return self.request.method

    def part(self, name: str, default: str = "") -> str:
        """What stands for {name} in the path, or the parameter of that name."""
        return self.parts.get(name, default)

    def arg(self, name: str, default: str = "") -> str:
        """A parameter of the query."""
        return self._query.get(name, default)

    def has(self, name: str) -> bool:
        return name in self._query

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean; empty means yes. Raises illegal_argument."""
        if name not in self._query:
            return default
        value = self._query[name]
        if value in ("", "true"):
            return True
        if value == "false":
            return False
        raise illegal(f"Failed to parse value [{value}] as only [true] or [false] are allowed.")

    def number(self, name: str, default: int) -> int:
        """A whole number. Raises illegal_argument."""
        if name not in self._query:
            return default
        try:
            return int(self._query[name])
        except ValueError as error:
            cause = {"type": "number_format_exception", "reason": f'For input string: "{self._query[name]}"'}
            raise illegal(
                f"Failed to parse int parameter [{name}] with value [{self._query[name]}]", caused_by=cause
            ) from error

    def object(self) -> Object:
        """The body as an object; {} when there is none (or `?source=`). Raises parsing_exception."""
        text = self.body or self.arg("source").encode()
        try:
            return decode_object(text)
        except BodyError as error:
            raise _malformed(error) from error

    def json(self) -> Json:
        """The body, whatever it is."""
        try:
            return decode(self.body)
        except BodyError as error:
            raise _malformed(error) from error

    def needs_body(self) -> Object:
        """As `object`; raises parse_exception for none."""
        if not self.body.strip() and not self.arg("source"):
            raise failure(400, "parse_exception", "request body is required")
        return self.object()


Action = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """methods: of one action, separated by spaces. path: with {placeholders}."""

    methods: str
    path: str
    action: Action


class _Node:
    __slots__ = ("actions", "children", "name", "wild")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.wild: _Node | None = None
        self.name = ""
        self.actions: dict[str, tuple[Action, tuple[str, ...]]] = {}


class Router:
    """All routes as a tree."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node, names = self._root, []
            for part in [one for one in route.path.split("/") if one]:
                if part.startswith("{"):
                    names.append(part[1:-1])
                    node.wild = node.wild or _Node()
                    node = node.wild
                else:
                    node = node.children.setdefault(part, _Node())
            for method in route.methods.split():
                node.actions[method] = (route.action, tuple(names))

    def find(self, parts: Sequence[str], method: str) -> tuple[Action, dict[str, str]] | set[str]:
        """The action and its placeholders, or the methods that there are for the path."""
        allowed: set[str] = set()
        stack: list[tuple[_Node, int, tuple[str, ...]]] = [(self._root, 0, ())]
        while stack:
            node, at, values = stack.pop()
            if at == len(parts):
                found = node.actions.get(method) or (node.actions.get("GET") if method == "HEAD" else None)
                if found is not None:
                    return found[0], dict(zip(found[1], values, strict=True))
                allowed |= set(node.actions)
                continue
            if node.wild is not None and (not parts[at].startswith("_") or at > 0 or parts[at] == "_all"):
                stack.append((node.wild, at + 1, (*values, parts[at])))
            literal = node.children.get(parts[at])
            if literal is not None:
                stack.append((literal, at + 1, values))
        return allowed


def handler_of(router: Router, body_bytes_max: int) -> Handler:
    """Everything on the port."""

    async def answer(request: Request) -> Answer:
        try:
            reply = await _reply(router, request, body_bytes_max)
        except MaruError as error:
            reply = Reply(answer_body(error), status_of(error))
            if request.query_get("error_trace", "false") in ("true", ""):
                reply.value["error"].setdefault("stack_trace", str(error))
        return _answer(request, reply)

    return answer


async def _reply(router: Router, request: Request, body_bytes_max: int) -> Reply:
    path = request.raw_target.partition("?")[0]
    parts = [unquote(part) for part in path.split("/") if part]
    found = router.find(parts, request.method)
    if isinstance(found, set):
        return _no_action(request, path, found)
    action, values = found
    unknown = [name for name, _ in request.query if name not in KNOWN]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        shown = ", ".join(f"[{name}]" for name in sorted(set(unknown)))
        raise illegal(f"request [{path}] contains unrecognized parameter{plural}: {shown}")
    try:
        body = await request.body(body_bytes_max)
    except TooLarge as error:
        raise failure(
            413,
            "content_too_long_exception",
            f"entity content is too long for the configured buffer limit [{body_bytes_max}]",
        ) from error
    content = request.headers.get("Content-Type", "")
    if body:
        if not content and request.method in ("POST", "PUT", "DELETE", "GET"):
            raise failure(406, "media_type_header_exception", "Content-Type header is missing")
        if not is_readable(content):
            return Reply({"error": f"Content-Type header [{content}] is not supported", "status": 406}, 406)
        body = _unpacked(body, request.headers.get("Content-Encoding", ""))
        if "yaml" in content:
            body = _from_yaml(body)
    return await action(Call(request, values, body))


def _unpacked(body: bytes, encoding: str) -> bytes:
    try:
        if encoding == "gzip":
            return gzip.decompress(body)
        return zlib.decompress(body) if encoding == "deflate" else body
    except (OSError, zlib.error, EOFError) as error:
        raise failure(400, "parse_exception", f"the body is not {encoding}: {error}") from error


def _from_yaml(body: bytes) -> bytes:
    import ryaml

    try:
        return msgspec.json.encode(ryaml.loads(body.decode()))
    except (ryaml.InvalidYamlError, UnicodeDecodeError) as error:
        raise failure(400, "parse_exception", str(error)) from error


def _no_action(request: Request, path: str, allowed: set[str]) -> Reply:
    if request.method == "OPTIONS" and allowed:
        return Reply("", 200, {"Allow": ",".join(sorted(allowed))})
    if allowed:
        shown = ", ".join(sorted(allowed))
        error = (
            f"Incorrect HTTP method for uri [{request.raw_target}] and method [{request.method}], allowed: [{shown}]"
        )
        return Reply({"error": error, "status": 405}, 405, {"Allow": ",".join(sorted(allowed))})
    return Reply(
        {"error": f"no handler found for uri [{request.raw_target}] and method [{request.method}]", "status": 400}, 400
    )


def _answer(request: Request, reply: Reply) -> Answer:
    headers = {**PRODUCT, **reply.headers}
    value = reply.value
    if value is None or request.method == "HEAD":
        return Answer(
            reply.status, b"", {**headers, "Content-Type": answer_type(request.headers.get("Accept", ""), "")}
        )
    if isinstance(value, str):
        return Answer(reply.status, value.encode(), {"Content-Type": "text/plain; charset=UTF-8", **headers})
    paths = request.query_get("filter_path")
    if paths:
        value = filtered(value, paths)
    kind = answer_type(request.headers.get("Accept", ""), request.headers.get("Content-Type", ""))
    if request.query_get("format") == "yaml" or "yaml" in kind:
        return Answer(
            reply.status,
            ("---\n" + as_yaml(value)).encode(),
            {"Content-Type": kind if "yaml" in kind else "application/yaml", **headers},
        )
    text = encode(value)
    if request.query_get("pretty", "false") in ("", "true"):
        text = msgspec.json.format(text, indent=2) + b"\n"
    return Answer(reply.status, text, {"Content-Type": kind, **headers})


def _malformed(error: BodyError) -> MaruError:
    if "Expected" in error.reason:
        return failure(400, "parsing_exception", error.reason, line=1, col=1)
    reason = error.reason.removeprefix("[1:1] ")
    return failure(
        400,
        "x_content_parse_exception",
        f"[1:1] {reason}",
        caused_by={"type": "json_parse_exception", "reason": reason},
    )
