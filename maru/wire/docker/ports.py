"""Ports as containers name them: 80, 80/tcp, 8000-8010/udp. Source: docker/go-connections nat."""

from __future__ import annotations

PROTOCOLS = ("tcp", "udp", "sctp")


def parse_port(text: str) -> tuple[int, int, str]:
    """First port, last port and protocol. Raises ValueError with the Engine's words."""
    numbers, _, protocol = text.partition("/")
    protocol = (protocol or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise ValueError(f"invalid proto: {protocol}")
    first, dash, last = numbers.partition("-")
    return number(first), number(last if dash else first), protocol


def number(text: str) -> int:
    """A port number, 0..65535. Raises ValueError."""
    if not text.isdigit() or int(text) > 65535:
        raise ValueError(f"invalid port specification: {text!r}")
    return int(text)


def parse_host_ports(text: str) -> tuple[int, int]:
    """The host's side: first and last, 0 for any. Raises ValueError."""
    if not text:
        return 0, 0
    first, dash, last = text.partition("-")
    return number(first), number(last if dash else first)
