"""From a client certificate to a caller: common name is the user, organizations are the groups.

The chain was verified in the TLS handshake; the period is checked here again, because a resumed
session shows a certificate that was verified long ago.
Source: k8s.io/apiserver/pkg/authentication/request/x509, CommonNameUserConversion.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from maru.core.access import Caller
from maru.core.errors import Unauthenticated

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


@dataclass(frozen=True, slots=True)
class CertifiedCaller:
    """Who a certificate names, from when until when."""

    caller: Caller
    not_before: datetime
    not_after: datetime

    def valid_at(self, now: datetime) -> Caller:
        """The caller. Raises Unauthenticated outside of the certificate's period."""
        if not self.not_before <= now <= self.not_after:
            raise Unauthenticated(
                what="client certificate",
                why=f"it is valid from {self.not_before} to {self.not_after}",
                fix="use a newer one",
            )
        return self.caller


def read_certificate(der: bytes) -> CertifiedCaller:
    """Who `der` names. Raises Unauthenticated if it is not for clients or names nobody."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        groups = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as error:
        raise _refused("it does not say that it is for client authentication") from error
    except ValueError as error:
        raise _refused(str(error)) from error
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usages and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usages:
        raise _refused("it is not for client authentication")
    if not names or not names[0].value:
        raise _refused("it has no common name")
    caller = Caller(
        name=str(names[0].value),
        groups=tuple(str(group.value) for group in groups),
        extra={CREDENTIAL_ID: (f"X509SHA256={hashlib.sha256(der).hexdigest()}",)},
    )
    return CertifiedCaller(caller, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(what="client certificate", why=why, fix="use the one of your kubeconfig")
