"""When access keys and roles were last used, and for what users and roles were: told by the front, known at
once, written once a minute.

Each is a document of its own, so that a use changes neither the key nor what is derived from its account. What
was used since the last writing is lost when the process is killed, as AWS's own record lags behind.
Source: IAM API reference, GetAccessKeyLastUsed, RoleLastUsed; only a lasting key's own requests count as its use.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime

from msgspec import Struct

from maru.components.aws_iam.api.book import Book
from maru.contracts.aws_access import AwsCaller, CallerKind
from maru.core.clock import parse_rfc3339, rfc3339
from maru.core.errors import MaruError
from maru.core.log import Log

WRITE_EVERY_S = 60.0
CLOSING_S = 3.0
SERVICES = {
    "iam": "AWS Identity and Access Management",
    "kms": "AWS Key Management Service",
    "organizations": "AWS Organizations",
    "s3": "Amazon S3",
    "sts": "AWS Security Token Service",
}
"""Those that there are here, by the name that they are signed for."""


class LastUse(Struct, frozen=True):
    """role: the name of the role that was used, user: of the user; both "" for an access key."""

    account: str
    at: datetime
    service: str
    region: str
    role: str = ""
    user: str = ""


class LastUses:
    """See the module. By the ID of the access key or role; and by the ID of the user or role, a dot and a service."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._unwritten: dict[str, LastUse] = {}  # of keys and roles that there are, so as many at most
        self._log = Log("aws_iam")

    def note(self, caller: AwsCaller, service: str, region: str, at: datetime) -> None:
        """A request was made by `caller`."""
        if caller.session is None and caller.access_key:
            self._unwritten[caller.access_key] = LastUse(caller.account, at, service, region)
        if caller.kind is CallerKind.USER:
            use = LastUse(caller.account, at, service, region, "", caller.arn.rsplit("/", 1)[-1])
            self._unwritten[f"{caller.user_id}.{service}"] = use
        elif caller.kind is CallerKind.ROLE and caller.session is not None:
            role = caller.session.issuer_arn.rsplit("/", 1)[-1]
            identifier = caller.user_id.split(":", 1)[0]
            use = LastUse(caller.account, at, service, region, role)
            self._unwritten[identifier] = self._unwritten[f"{identifier}.{service}"] = use

    def find(self, account: str, identifier: str) -> LastUse | None:
        """None for what was never used."""
        use = self._unwritten.get(identifier)
        if use is not None and use.account == account:
            return use
        kept = self._book.uses.find(account, identifier)
        if kept is None:
            return None
        fields = kept.fields
        return LastUse(account, parse_rfc3339(fields.at), fields.service, fields.region, fields.role, fields.user)

    def of_service(self, account: str, identifier: str, service: str) -> LastUse | None:
        """When a user or role (its ID) last used a service; None for never."""
        return self.find(account, f"{identifier}.{service}")

    async def forget(self, account: str, identifier: str) -> None:
        """The key, user or role is gone."""
        for name in (identifier, *(f"{identifier}.{service}" for service in SERVICES)):
            self._unwritten.pop(name, None)
            kept = self._book.uses.find(account, name)
            if kept is not None:
                await self._book.uses.delete(kept)

    async def run(self) -> None:
        """Write what is new every minute, until cancelled; first forget what went while nobody looked."""
        for kept in list(self._book.uses.kept.list()):
            if not self._is_there(kept.account, kept.name, kept.fields.role, kept.fields.user):
                await self._book.uses.delete(kept)
        while True:
            await self._book.tools.clock.sleep(WRITE_EVERY_S)
            await self.write()

    async def close(self) -> None:
        """Write what is new, if it does not take long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                await self.write()

    async def write(self) -> None:
        """Write what is new; what cannot be written now stays for the next time."""
        for identifier, use in list(self._unwritten.items()):
            try:
                await self._write(identifier, use)
            except MaruError as error:
                self._log.warning("a last use is not written yet", identifier=identifier, why=str(error))
                continue
            if self._unwritten.get(identifier) is use:
                del self._unwritten[identifier]

    async def _write(self, identifier: str, use: LastUse) -> None:
        if not self._is_there(use.account, identifier, use.role, use.user):
            return
        shelf = self._book.uses
        kept = shelf.find(use.account, identifier)
        spec = {
            "name": identifier,
            "at": rfc3339(use.at),
            "service": use.service,
            "region": use.region,
            "role": use.role,
            "user": use.user,
        }
        if kept is None:
            await shelf.create(use.account, identifier, spec)
        else:
            await shelf.change(kept, spec)

    def _is_there(self, account: str, identifier: str, role_name: str, user_name: str) -> bool:
        if not role_name and not user_name:
            return self._book.key(identifier) is not None
        holder = self._book.roles.find(account, role_name) if role_name else self._book.users.find(account, user_name)
        return holder is not None and holder.id == identifier.partition(".")[0]
