"""Certificates in files, reissued before they expire, also when the machine has slept.

The loop looks at the wall clock every minute instead of sleeping until a date: a timer stands still
while a machine sleeps, the wall clock does not. A certificate is reissued when less than a third of
its life is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from maru.core.clock import Clock
from maru.core.identity.ca import Credential
from maru.core.identity.files import read_blocking, write_private_blocking
from maru.core.log import Log

CHECK_S = 60.0


@dataclass(frozen=True, slots=True)
class Kept:
    """One pair of files. issue: makes a new pair. wants: whether the certificate on disk still says what
    it should (addresses may have changed). changed: called on the loop with a pair that was renewed.
    """

    certificate: Path
    key: Path
    issue: Callable[[], Credential]
    wants: Callable[[x509.Certificate], bool] = lambda _: True
    changed: Callable[[Credential], None] = lambda _: None


class Rotation:
    """Keeps pairs of files fresh."""

    def __init__(self, kept: Sequence[Kept], clock: Clock) -> None:
        self._kept = kept
        self._clock = clock
        self._log = Log("rotation")

    def ensure_blocking(self) -> Sequence[tuple[Kept, Credential]]:
        """Issue what is missing, unreadable, unwanted or old; answers what was issued, which stands on disk then."""
        issued = []
        for kept in self._kept:
            if self._is_good_blocking(kept):
                continue
            credential = kept.issue()
            write_private_blocking(kept.key, credential.key)
            write_private_blocking(kept.certificate, credential.certificate)
            self._log.info("certificate issued", file=str(kept.certificate))
            issued.append((kept, credential))
        return issued

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(CHECK_S)
            for kept, credential in await asyncio.to_thread(self.ensure_blocking):
                kept.changed(credential)

    def _is_good_blocking(self, kept: Kept) -> bool:
        certificate_pem, key_pem = read_blocking(kept.certificate), read_blocking(kept.key)
        if certificate_pem is None or key_pem is None:
            return False
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
            key = load_pem_private_key(key_pem, None)
        except ValueError:
            return False
        if key.public_key() != certificate.public_key():
            return False
        return not is_old(certificate, self._clock.now()) and kept.wants(certificate)


def is_old(certificate: x509.Certificate, now: datetime) -> bool:
    """True when less than a third of its life is left, or when it is not valid yet (the clock was set back)."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return end - now < (end - begin) / 3 or now < begin
