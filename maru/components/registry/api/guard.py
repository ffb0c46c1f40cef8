"""Who may come in: nobody without a name and password where the registry has a list of them.

Source: RFC 7617; OCI distribution specification 1.1, "Error Codes"; distribution's `auth.htpasswd`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii

from maru.components.registry.api.edge import VERSION_HEADERS
from maru.components.registry.engine.passwords import Passwords
from maru.components.registry.errors import answer_of, refusal
from maru.core.errors import MaruError
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Handler, Request

REALM = {"WWW-Authenticate": 'Basic realm="Registry"'}


def guarded(handler: Handler, passwords: Passwords) -> Handler:
    """`handler` for those whom `passwords` knows; for everybody when it has no list."""
    if not passwords.is_used:
        return handler

    async def answer(request: Request) -> Answer:
        try:
            if not await _is_known(request, passwords):
                error = refusal("UNAUTHORIZED", "authentication required")
                return json_answer(answer_of(error)[1], 401, {**VERSION_HEADERS, **REALM})
        except MaruError as error:
            status, body = answer_of(error)
            return json_answer(body, status, VERSION_HEADERS)
        return await handler(request)

    return answer


async def _is_known(request: Request, passwords: Passwords) -> bool:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return bool(colon) and await asyncio.to_thread(passwords.accept_blocking, name, password)
