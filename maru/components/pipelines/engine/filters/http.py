"""http: a URL is asked for each event, and what it answers becomes a field.

Source: Logstash reference, "Http filter plugin".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import aiohttp
import msgspec

from maru.components.pipelines.engine.filters.asking import asking
from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.sessions import FilterTls, Sessions, tls_of
from maru.components.pipelines.model.event import Event, encode_json, text_of
from maru.components.pipelines.model.filters.shape import Filter, formatted_value
from maru.components.pipelines.model.options import options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

VERBS = ("GET", "HEAD", "PATCH", "DELETE", "POST", "PUT")
ANSWER_BYTES_MAX = 64 << 20
ECS_BODY, ECS_HEADERS = "[http][response][body][content]", "[@metadata][filter][http][response][headers]"


class HttpOptions(FilterTls, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """body_format: text or json. request_timeout: s."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["ssl_enabled"])  # the URL says so

    url: str
    verb: str = "GET"
    headers: Mapping[str, object] = {}
    query: Mapping[str, object] = {}
    body: object = None
    body_format: str = "text"
    target_body: str = ""
    target_headers: str = ""
    tag_on_request_failure: Sequence[str] = ("_httprequestfailure",)
    tag_on_json_failure: Sequence[str] = ("_jsonparsefailure",)
    user: str = ""
    password: str = ""
    request_timeout: float = 60
    follow_redirects: bool = True
    automatic_retries: int = 1
    ssl_enabled: bool = True
    ecs_compatibility: str = "v8"


def build(plugin: Plugin, ground: Ground) -> Filter:
    """Raises Invalid: a verb or a format there is not."""
    options = options_of(plugin, HttpOptions, "filter")
    if options.verb not in VERBS:
        raise Invalid(what="http", why=f"no verb {options.verb!r}", fix=f"one of {', '.join(VERBS)}")
    if options.body_format not in ("text", "json"):
        raise Invalid(what="http", why=f"no body_format {options.body_format!r}", fix="text or json")
    is_ecs = options.ecs_compatibility != "disabled"
    body_target = parse_reference(options.target_body or (ECS_BODY if is_ecs else "[body]"))
    headers_target = parse_reference(options.target_headers or (ECS_HEADERS if is_ecs else "[headers]"))
    sessions = Sessions(tls_of(options, "http"), options.request_timeout, ground)

    async def is_successful(event: Event) -> bool:
        try:
            status, headers, body = await _asked(event, options, sessions)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            status, headers, body = 0, {}, b""
        if not 200 <= status < 300:
            for tag in options.tag_on_request_failure:
                event.tag(tag)
            return False
        event.put(headers_target, headers)
        if headers.get("content-type", "").split(";")[0] != "application/json":
            event.put(body_target, body.decode("utf-8", "replace").strip())
            return True
        try:
            event.put(body_target, msgspec.json.decode(body))
        except msgspec.DecodeError:
            for tag in options.tag_on_json_failure:
                event.tag(tag)
        return True

    return asking(options, is_successful)


async def _asked(event: Event, options: HttpOptions, sessions: Sessions) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by small name, body."""
    is_json = options.body_format == "json"
    headers = {
        event.sprintf(name).lower(): text_of(formatted_value(event, value)) for name, value in options.headers.items()
    }
    headers["content-type"] = "application/json" if is_json else "text/plain"
    if options.user:
        headers["authorization"] = aiohttp.encode_basic_auth(options.user, options.password)
    query = {event.sprintf(name): text_of(formatted_value(event, value)) for name, value in options.query.items()}
    body = formatted_value(event, options.body) if options.body is not None else None
    sent = None if body is None else encode_json(body) if isinstance(body, dict | list) else text_of(body).encode()
    for left in range(max(options.automatic_retries, 0), -1, -1):
        try:
            async with sessions.get().request(
                options.verb, event.sprintf(options.url), headers=headers, params=query, data=sent,
                allow_redirects=options.follow_redirects,
            ) as answer:  # fmt: skip
                content = await answer.content.read(ANSWER_BYTES_MAX) if options.verb != "HEAD" else b""
                return answer.status, {name.lower(): value for name, value in answer.headers.items()}, content
        except (aiohttp.ClientConnectionError, TimeoutError):
            if left == 0:
                raise
    raise AssertionError("the last attempt answers or raises")
