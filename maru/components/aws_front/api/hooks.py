"""What suites of clients need and nobody else gets: `maru up --test-hooks` turns it on.

Such suites sign with keys that everybody knows and want everything forgotten between two tests.
Source: moto's documentation, "Server mode" (reset API).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from maru.contracts.aws_access import AwsCaller, AwsCredentials, CallerKind, Credential
from maru.contracts.aws_service import AwsService, Resettable
from maru.core.front.message import Answer, Handler, Request
from maru.kinds.aws import ROOT_ACCOUNT

RESET = ("/moto-api/reset", "/moto-api/reset-auth")
KEYS = {"FOOBARKEY": "FOOBARSECRET", "testing": "testing", "test": "test", "mock_access_key": "mock_secret_key"}
"""Well-known access keys and their secrets. Their signatures are of any time: some suites stop their clocks."""


class WellKnown:
    """Credentials in which well-known keys are the root user's of the first account."""

    def __init__(self, credentials: AwsCredentials) -> None:
        self._credentials = credentials

    def find(self, access_key: str, token: str) -> Credential:
        """As `AwsCredentials.find`."""
        secret = KEYS.get(access_key)
        if secret is None:
            return self._credentials.find(access_key, token)
        arn = f"arn:aws:iam::{ROOT_ACCOUNT}:root"
        caller = AwsCaller(CallerKind.ROOT, ROOT_ACCOUNT, arn, ROOT_ACCOUNT, access_key=access_key)
        return Credential(secret, caller, token)

    def used(self, caller: AwsCaller, service: str, region: str, at: datetime) -> None:
        """As `AwsCredentials.used`; nobody asks when a well-known key was used."""
        if caller.access_key not in KEYS:
            self._credentials.used(caller, service, region, at)


class Hooks:
    """Answers the resets itself and hands everything else on."""

    def __init__(self, services: Sequence[AwsService], handler: Handler) -> None:
        self._services = services
        self._handler = handler

    async def answer(self, request: Request) -> Answer:
        """One request."""
        if request.path not in RESET:
            return await self._handler(request)
        if request.method != "POST":
            return Answer(405)
        if request.path == RESET[0]:
            for service in self._services:
                if isinstance(service, Resettable):
                    await service.reset()
        return Answer(200, b'{"status": "ok"}', {"Content-Type": "application/json"})
