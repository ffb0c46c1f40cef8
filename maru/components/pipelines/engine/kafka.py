"""What the input and the output of Kafka share: the library, and how brokers are trusted and told who asks.

Source: Logstash reference, "Kafka input plugin" (security_protocol, sasl_*, ssl_*); JAAS's login modules.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Protocol

from maru.core.errors import Invalid

CREDENTIALS_FIX = "look at the brokers, and at the credentials"
_JAAS = re.compile(r"""\b(username|password)\s*=\s*["']([^"']*)["']""")


class Secured(Protocol):
    """The options about it."""

    @property
    def security_protocol(self) -> str: ...

    @property
    def sasl_mechanism(self) -> str: ...

    @property
    def sasl_jaas_config(self) -> str: ...

    @property
    def ssl_truststore_location(self) -> str: ...

    @property
    def ssl_truststore_type(self) -> str: ...


def imported(what: str) -> None:
    """Raises Invalid: the library is not there."""
    if find_spec("aiokafka") is None:
        raise Invalid(what=what, why="aiokafka is not installed", fix="pip install 'maru[kafka]'")


def secured(options: Secured, what: str) -> Mapping[str, object]:
    """The library's arguments. Raises Invalid: a protocol or a mechanism there is not."""
    protocol, mechanism = options.security_protocol, options.sasl_mechanism
    if protocol not in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        raise Invalid(
            what=what, why=f"no security_protocol {protocol!r}", fix="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
        )
    found: dict[str, object] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        if options.ssl_truststore_type != "PEM" and options.ssl_truststore_location:
            why = f"ssl_truststore_type {options.ssl_truststore_type!r} is not supported"
            raise Invalid(what=what, why=why, fix="give the authorities as PEM")
        try:
            found["ssl_context"] = ssl.create_default_context(cafile=options.ssl_truststore_location or None)
        except OSError as error:
            raise Invalid(what=f"{what}: ssl_truststore_location", why=str(error), fix="name a PEM file") from error
    if protocol.startswith("SASL"):
        if mechanism not in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            why = f"sasl_mechanism {mechanism!r} is not supported"
            raise Invalid(what=what, why=why, fix="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
        pairs = dict(_JAAS.findall(options.sasl_jaas_config))
        found |= {
            "sasl_mechanism": mechanism,
            "sasl_plain_username": pairs.get("username"),
            "sasl_plain_password": pairs.get("password"),
        }
    return found
