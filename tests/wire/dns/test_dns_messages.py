"""Questions and answers as bytes, against dnspython's reading of them."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maru.wire.dns import message as wire
from maru.wire.dns.lifetime import aged, is_reply_to, lifetime_of
from maru.wire.dns.message import Answer, BadMessage, encode_reply, parse_question
from maru.wire.dns.names import BadName, decode_name, encode_name, is_within, parents_of, reverse_name


def test_a_reply_repeats_the_spelling_of_the_question() -> None:
    query = dns.message.make_query("WeB.DeFault.sVc.cluster.local.", "A")
    question = parse_question(query.to_wire())
    assert question.name == encode_name("web.default.svc.cluster.local")
    reply = dns.message.from_wire(encode_reply(question, Answer(answers=[wire.record(wire.A, 30, b"\x0a\0\0\1")])))
    assert reply.id == query.id
    assert reply.question[0].name.labels == query.question[0].name.labels
    assert reply.answer[0].to_text() == "WeB.DeFault.sVc.cluster.local. 30 IN A 10.0.0.1"
    assert reply.flags & dns.flags.AA
    assert reply.flags & dns.flags.RA


def test_a_reply_that_is_too_long_is_cut_at_a_record_and_says_so() -> None:
    query = dns.message.make_query("a.b.", "A")
    question = parse_question(query.to_wire())
    answer = Answer(answers=[wire.record(wire.A, 30, bytes([10, 0, 0, number])) for number in range(100)])
    short = encode_reply(question, answer, question.udp_bytes_max)
    parsed = dns.message.from_wire(short)
    assert question.udp_bytes_max == 512
    assert len(short) <= 512
    assert parsed.flags & dns.flags.TC
    assert 0 < len(parsed.answer[0]) < 100
    assert len(dns.message.from_wire(encode_reply(question, answer)).answer[0]) == 100


def test_additional_records_that_do_not_fit_are_left_off_quietly() -> None:
    question = parse_question(dns.message.make_query("a.b.", "A").to_wire())
    extra = [wire.record(wire.A, 30, bytes(4), encode_name(f"n{number}.b")) for number in range(100)]
    parsed = dns.message.from_wire(encode_reply(question, Answer(additional=extra), 512))
    assert not parsed.flags & dns.flags.TC


@pytest.mark.parametrize(("asked", "granted"), [(0, 512), (512, 512), (1000, 1000), (4096, 1232)])
def test_edns_size_is_taken_within_bounds(asked: int, granted: int) -> None:
    query = dns.message.make_query("a.b.", "A", use_edns=0 if asked else False, payload=asked or 512)
    question = parse_question(query.to_wire())
    assert question.udp_bytes_max == granted
    assert (dns.message.from_wire(encode_reply(question, Answer())).edns == 0) == bool(asked)


def test_what_is_no_query_is_refused_in_kind() -> None:
    update = dns.message.make_query("a.b.", "A")
    update.set_opcode(5)  # type: ignore[arg-type]
    with pytest.raises(BadMessage) as refused:
        parse_question(update.to_wire())
    assert dns.message.from_wire(refused.value.reply).rcode() == dns.rcode.NOTIMP
    with pytest.raises(BadMessage) as refused:
        parse_question(b"\x12\x34\1\0\0\1\0\0\0\0\0\0\x3fshort")
    assert refused.value.reply[:2] == b"\x12\x34"
    assert refused.value.reply[3] & 15 == wire.FORMAT_ERROR
    reply = dns.message.make_response(dns.message.make_query("a.b.", "A")).to_wire()
    with pytest.raises(BadMessage) as refused:
        parse_question(reply)
    assert refused.value.reply == b""


def test_an_unknown_edns_version_is_told_so() -> None:
    query = dns.message.make_query("a.b.", "A", use_edns=1)
    with pytest.raises(BadMessage) as refused:
        parse_question(query.to_wire())
    assert dns.message.from_wire(refused.value.reply).rcode() == dns.rcode.BADVERS


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(junk: bytes) -> None:
    try:
        parse_question(junk)
    except BadMessage as error:
        assert error.reply == b"" or len(error.reply) >= 12
    lifetime_of(junk)


def test_a_kept_reply_counts_down_for_the_next_asker() -> None:
    query = dns.message.make_query("example.com.", "A")
    reply = dns.message.make_response(query)
    reply.answer.append(dns.rrset.from_text("example.com.", 60, "IN", "A", "192.0.2.1", "192.0.2.2"))
    raw = reply.to_wire()
    lifetime = lifetime_of(raw)
    assert lifetime.ttl_s == 60
    again = dns.message.make_query("eXample.com.", "A")
    later = dns.message.from_wire(aged(raw, lifetime, 25, parse_question(again.to_wire())))
    assert later.id == again.id
    assert later.answer[0].ttl == 35
    assert later.question[0].name.labels == again.question[0].name.labels


def test_negative_answers_live_as_the_soa_says_and_failures_not_at_all() -> None:
    query = dns.message.make_query("none.example.com.", "A")
    reply = dns.message.make_response(query)
    reply.set_rcode(dns.rcode.NXDOMAIN)
    reply.authority.append(dns.rrset.from_text("example.com.", 900, "IN", "SOA", "a. b. 1 2 3 4 77"))
    assert lifetime_of(reply.to_wire()).ttl_s == 77
    reply.set_rcode(dns.rcode.SERVFAIL)
    assert lifetime_of(reply.to_wire()).ttl_s == 0


def test_only_the_reply_to_the_very_question_counts() -> None:
    query = dns.message.make_query("a.example.", "A")
    other = dns.message.make_query("b.example.", "A")
    other.id = query.id
    section = parse_question(query.to_wire()).section
    assert is_reply_to(dns.message.make_response(query).to_wire(), query.id, section)
    assert not is_reply_to(dns.message.make_response(query).to_wire(), query.id ^ 1, section)
    assert not is_reply_to(dns.message.make_response(other).to_wire(), query.id, section)
    assert not is_reply_to(query.to_wire(), query.id, section)


def test_names_go_both_ways_and_know_their_parents() -> None:
    name = encode_name("A.b.Example.")
    assert decode_name(name) == "a.b.example."
    assert [decode_name(parent) for parent in parents_of(name)] == ["b.example.", "example.", "."]
    assert is_within(name, encode_name("example"))
    assert not is_within(encode_name("counterexample"), encode_name("example"))
    assert decode_name(reverse_name("10.1.2.3")) == "3.2.1.10.in-addr.arpa."
    for bad in ("a..b", "x" * 64, ".".join(["x" * 60] * 5)):
        with pytest.raises(BadName):
            encode_name(bad)
