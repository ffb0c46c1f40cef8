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


class ServedTls(Protocol):
    """Of a port that listens. ssl_client_authentication: none, optional or required."""

    @property
    def ssl_certificate(self) -> str: ...

    @property
    def ssl_key(self) -> str: ...

    @property
    def ssl_key_passphrase(self) -> str: ...

    @property
    def ssl_certificate_authorities(self) -> Sequence[str]: ...

    @property
    def ssl_client_authentication(self) -> str: ...

    @property
    def ssl_supported_protocols(self) -> Sequence[str]: ...


VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
CLIENTS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def served_tls(options: ServedTls, what: str) -> ssl.SSLContext:
    """What a listener takes. Raises Invalid: a file that cannot be read, a version or a mode there is not."""
    mode, versions = options.ssl_client_authentication, options.ssl_supported_protocols or tuple(VERSIONS)
    if mode not in CLIENTS or not set(versions) <= VERSIONS.keys():
        why = f"no ssl_client_authentication {mode!r}, or no version among {list(versions)}"
        raise Invalid(what=what, why=why, fix=f"{', '.join(CLIENTS)}; {', '.join(VERSIONS)}")
    if mode != "none" and not options.ssl_certificate_authorities:
        raise Invalid(
            what=what, why="ssl_client_authentication wants ssl_certificate_authorities", fix="name PEM files"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = min(VERSIONS[version] for version in versions)
    context.maximum_version = max(VERSIONS[version] for version in versions)
    try:
        context.load_cert_chain(
            options.ssl_certificate, options.ssl_key or None, options.ssl_key_passphrase or _no_passphrase
        )
        for path in options.ssl_certificate_authorities:
            context.load_verify_locations(path)
    except OSError as error:
        raise Invalid(what=what, why=f"certificate: {error}", fix="ssl_certificate and ssl_key") from error
    context.verify_mode = CLIENTS[mode]
    return context


def _no_passphrase() -> str:
    """Or else OpenSSL would ask a terminal."""
    return ""


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
