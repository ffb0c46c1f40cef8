"""HTTP sessions of plugins: opened at the first request, closed with the pipeline, and their TLS options.

Source: Logstash reference, "HTTP client" options that several plugins share (ssl_*).
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Protocol

import aiohttp

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.model.options import FilterOptions, InputOptions, OutputOptions
from maru.core.errors import Invalid


class TlsOptions(Protocol):
    """ssl_certificate and ssl_key: what is shown to the server. ssl_verification_mode: full or none."""

    @property
    def ssl_verification_mode(self) -> str: ...

    @property
    def ssl_certificate_authorities(self) -> Sequence[str]: ...

    @property
    def ssl_certificate(self) -> str: ...

    @property
    def ssl_key(self) -> str: ...


class InputTls(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TlsOptions of an input."""

    ssl_verification_mode: str = "full"
    ssl_certificate_authorities: Sequence[str] = ()
    ssl_certificate: str = ""
    ssl_key: str = ""


class FilterTls(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TlsOptions of a filter."""

    ssl_verification_mode: str = "full"
    ssl_certificate_authorities: Sequence[str] = ()
    ssl_certificate: str = ""
    ssl_key: str = ""


class OutputTls(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TlsOptions of an output."""

    ssl_verification_mode: str = "full"
    ssl_certificate_authorities: Sequence[str] = ()
    ssl_certificate: str = ""
    ssl_key: str = ""


def tls_of(options: TlsOptions, what: str) -> ssl.SSLContext | bool:
    """What aiohttp takes. Raises Invalid: a mode there is not, a file that cannot be read."""
    if options.ssl_verification_mode not in ("full", "none"):
        raise Invalid(what=what, why=f"no ssl_verification_mode {options.ssl_verification_mode!r}", fix="full or none")
    context = ssl.create_default_context()
    if options.ssl_verification_mode == "none":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        for path in options.ssl_certificate_authorities:
            context.load_verify_locations(path)
        if options.ssl_certificate:
            context.load_cert_chain(options.ssl_certificate, options.ssl_key or None)
    except OSError as error:  # SSLError is one
        raise Invalid(
            what=f"{what}: ssl_certificate or authorities", why=str(error), fix="name files of PEM"
        ) from error
    return context


class Sessions:
    """One session, made when it is first needed."""

    def __init__(self, tls: ssl.SSLContext | bool, timeout_s: float, ground: Ground) -> None:
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        ground.closers.append(self.close)

    def get(self) -> aiohttp.ClientSession:
        """The session; it is open until `close`."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(timeout=self._timeout, connector=aiohttp.TCPConnector(ssl=self._tls))
        return self._session

    async def close(self) -> None:
        """Idempotent."""
        if self._session is not None:
            await self._session.close()
            self._session = None
