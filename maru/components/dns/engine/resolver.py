"""Puts authority and upstream together: from a client's bytes to the bytes of the reply.

What the zone can answer is answered at once; only what must be asked outside is awaited. Bytes that
were asked before and changed nothing since are answered from a small table of whole replies.
"""

from __future__ import annotations

from collections.abc import Coroutine

import dns.exception
import dns.message

from maru.components.dns.engine.upstream import Upstream
from maru.components.dns.model.authority import Authority, Follow
from maru.core.errors import Unavailable
from maru.wire.dns.message import (
    ANY,
    CNAME,
    NO_ERROR,
    SERVER_FAILURE,
    TCP_BYTES_MAX,
    Answer,
    BadMessage,
    Question,
    encode_query,
    encode_reply,
    is_truncated,
    parse_question,
    record,
)

LaterReply = Coroutine[None, None, bytes]
Reply = bytes | LaterReply

REPLIES_MAX = 4096


class Resolver:
    """Answers queries."""

    def __init__(self, authority: Authority, upstream: Upstream) -> None:
        self._authority = authority
        self._upstream = upstream
        self._replies: dict[bytes, bytes] = {}

    def forget_replies(self) -> None:
        """The zone changed: whole replies are made anew."""
        self._replies.clear()

    def reply(self, message: bytes, *, by_tcp: bool) -> Reply:
        """The reply, at once or later; b"" for what deserves none."""
        if not by_tcp:
            known = self._replies.get(message[2:])
            if known is not None:
                return message[:2] + known
        try:
            question = parse_question(message)
        except BadMessage as error:
            return error.reply
        answer = self._authority.answer(question)
        if isinstance(answer, Answer):
            reply = encode_reply(question, answer, TCP_BYTES_MAX if by_tcp else question.udp_bytes_max)
            if not by_tcp and self._authority.is_known and len(answer.answers) <= 1:
                if len(self._replies) >= REPLIES_MAX:
                    self._replies.clear()
                self._replies[message[2:]] = reply[2:]
            return reply
        if isinstance(answer, Follow):
            return self._follow(question, answer, by_tcp=by_tcp)
        return self._upstream.find(question) or self._ask(question, message, by_tcp=by_tcp)

    async def _ask(self, question: Question, message: bytes, *, by_tcp: bool) -> bytes:
        try:
            return await self._upstream.ask(question, message, by_tcp=by_tcp)
        except Unavailable:
            return failure(question)

    async def _follow(self, question: Question, follow: Follow, *, by_tcp: bool) -> bytes:
        """An ExternalName: the alias, and what the resolvers outside say of where it leads."""
        answer = follow.answer
        if question.kind not in (CNAME, ANY):
            query = encode_query(0, follow.target, question.kind)
            inner = parse_question(query)
            try:
                reply = self._upstream.find(inner) or await self._upstream.ask(inner, query, by_tcp=False)
                if is_truncated(reply):
                    reply = await self._upstream.ask(inner, query, by_tcp=True)
                code, records = _answers_of(reply)
            except (Unavailable, dns.exception.DNSException):
                return failure(question)
            answer = Answer(code, [*answer.answers, *records])
        return encode_reply(question, answer, TCP_BYTES_MAX if by_tcp else question.udp_bytes_max)


def failure(question: Question) -> bytes:
    """SERVFAIL."""
    return encode_reply(question, Answer(SERVER_FAILURE, is_authoritative=False))


def _answers_of(reply: bytes) -> tuple[int, list[bytes]]:
    """The code and the answer records of a reply, spelt out without compression."""
    parsed = dns.message.from_wire(reply)
    records: list[bytes] = []
    for group in parsed.answer:
        name = group.name.to_wire()
        assert name is not None, "to_wire without a file answers bytes"
        for item in group:
            content = item.to_wire()
            assert content is not None, "to_wire without a file answers bytes"
            records.append(record(int(group.rdtype), group.ttl, content, name))
    return int(parsed.rcode()) if parsed.rcode() else NO_ERROR, records
