"""TLS of the front: certificate, optional client certificates, and a change of both while it runs.

ALPN offers http/1.1 only, so clients that could speak HTTP/2 speak HTTP/1.1 with us. A client
certificate is asked for, not demanded, and verified against the bundle; who it names is for the
authenticator to say. Source: RFC 8446; RFC 7301 (ALPN).
"""

from __future__ import annotations

import ssl
from pathlib import Path

from maru.core.errors import Broken


class ServerTls:
    """One listener's TLS.

    certificate: PEM file, leaf first. key: PEM file. client_ca: PEM bundle that client certificates
    must descend from, or None if none are asked for.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        self._certificate = certificate
        self._key = key
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        if client_ca is not None:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(cafile=str(client_ca))
        self.context = context
        self.reload()

    def reload(self) -> None:
        """Read certificate and key again; handshakes from now on show the new one.

        Raises Broken if the files cannot be read or do not belong together; the old pair stays.
        """
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._key)
            self.context.load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as error:
            raise Broken(
                what=f"TLS certificate {self._certificate}",
                why=str(error),
                fix="remove it and its key; Maru issues a new pair when it starts",
            ) from error
