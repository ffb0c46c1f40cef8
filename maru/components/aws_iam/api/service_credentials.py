"""Passwords that a user has for one service alone: told once, kept as a hash.

Source: IAM API reference, CreateServiceSpecificCredential and its like; IAM User Guide, "IAM credentials for
CodeCommit", "API keys for Amazon Bedrock".
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
from msgspec.structs import replace

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.pages import page
from maru.components.aws_iam.engine.passwords import hash_blocking
from maru.components.aws_iam.errors import coded, invalid_input, limit_exceeded, no_such, validation
from maru.components.aws_iam.model.documents import ServiceCredentialFields, User
from maru.components.aws_iam.model.identifiers import unique_id
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.clock import parse_rfc3339, rfc3339

EACH_MAX = 2
API_KEYS = ("bedrock.amazonaws.com", "logs.amazonaws.com")
"""Services whose credential is a key with an end, not a user name with a password."""

SERVICES = ("codecommit.amazonaws.com", "cassandra.amazonaws.com", *API_KEYS)


class ServiceCredentials:
    """See the module."""

    def __init__(self, book: Book, lookup: Lookup, asker: Asker) -> None:
        self._book = book
        self._lookup = lookup
        self._asker = asker

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        performs = {
            "CreateServiceSpecificCredential": self.create,
            "ListServiceSpecificCredentials": self.list_all,
            "UpdateServiceSpecificCredential": self.update,
            "ResetServiceSpecificCredential": self.reset,
            "DeleteServiceSpecificCredential": self.delete,
        }
        about = self._asker.about
        return {name: AwsOperation(perform, about(name, self._asker.user)) for name, perform in performs.items()}

    async def create(self, call: AwsCall) -> Members:
        user, service = self._lookup.user(call), call.parameters["ServiceName"]
        _check_service(service)
        have = user.fields.service_credentials
        same = [one for one in have if one.service == service]
        if len(same) >= EACH_MAX:
            raise limit_exceeded(f"Cannot exceed quota for ServiceSpecificCredentialsPerUser: {EACH_MAX}")
        now, days = self._book.tools.clock.now(), call.parameters.get("CredentialAgeDays")
        if days is not None and service not in API_KEYS:
            raise invalid_input(f"Credential age days are not supported for {service}")
        name = next(one for one in _names(user) if one not in {each.user_name for each in same})
        secret = self._secret()
        made = ServiceCredentialFields(
            unique_id("ACCA", self._book.tools.ids.uid()),
            service,
            name,
            await self._hash(secret),
            rfc3339(now),
            expires_at=rfc3339(now + timedelta(days=days)) if days else "",
        )
        await self._put(user, [*have, made])
        return {"ServiceSpecificCredential": self._members(user, made, secret)}

    async def list_all(self, call: AwsCall) -> Members:
        given = call.parameters
        service = given.get("ServiceName")
        if service:
            _check_service(service)
        if given.get("AllUsers") and given.get("UserName"):
            raise validation("UserName and AllUsers cannot be given together")
        users = self._book.users.list(call.account) if given.get("AllUsers") else [self._lookup.user(call)]
        entries = [
            self._members(user, one)
            for user in users
            for one in user.fields.service_credentials
            if service in (None, "", one.service)
        ]
        return page("ServiceSpecificCredentials", entries, call)

    async def update(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        status = call.parameters["Status"]
        if status == "Expired":
            raise validation("A credential expires by itself; its status is Active or Inactive")
        await self._change(user, replace(self._found(user, call), status=status))
        return {}

    async def reset(self, call: AwsCall) -> Members:
        user, secret = self._lookup.user(call), self._secret()
        found = self._found(user, call)
        changed = replace(found, hash=await self._hash(secret))
        await self._change(user, changed)
        return {"ServiceSpecificCredential": self._members(user, changed, secret)}

    async def delete(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        found = self._found(user, call)
        await self._put(user, [one for one in user.fields.service_credentials if one.id != found.id])
        return {}

    def _found(self, user: User, call: AwsCall) -> ServiceCredentialFields:
        wanted = call.parameters["ServiceSpecificCredentialId"]
        for one in user.fields.service_credentials:
            if one.id == wanted:
                return one
        raise no_such(f"No such credential {wanted} exists")

    async def _change(self, user: User, changed: ServiceCredentialFields) -> None:
        await self._put(user, [changed if one.id == changed.id else one for one in user.fields.service_credentials])

    async def _put(self, user: User, every: Sequence[ServiceCredentialFields]) -> None:
        await self._book.users.change(user, {"serviceCredentials": msgspec.to_builtins(every)})

    async def _hash(self, secret: str) -> str:
        return await asyncio.to_thread(hash_blocking, secret, self._book.tools.ids.secret(12))

    def _secret(self) -> str:
        return base64.b64encode(self._book.tools.ids.secret(32).encode()[:32]).decode()

    def _members(self, user: User, fields: ServiceCredentialFields, secret: str = "") -> Members:
        """secret: only where it was just made."""
        is_key = fields.service in API_KEYS
        ends_at = parse_rfc3339(fields.expires_at) if fields.expires_at else None
        is_over = ends_at is not None and ends_at <= self._book.tools.clock.now()
        return {
            "CreateDate": parse_rfc3339(fields.created_at),
            "ExpirationDate": ends_at,
            "ServiceName": fields.service,
            "ServiceUserName": None if is_key else fields.user_name,
            "ServicePassword": None if is_key else secret or None,
            "ServiceCredentialAlias": fields.user_name if is_key else None,
            "ServiceCredentialSecret": secret or None if is_key else None,
            "ServiceSpecificCredentialId": fields.id,
            "UserName": user.name,
            "Status": "Expired" if is_over else fields.status,
        }


def _names(user: User) -> Sequence[str]:
    """What the user may be called at a service, the first credential's name first."""
    return [f"{user.name}{mark}-at-{user.account}" for mark in ("", "+1")]


def _check_service(service: str) -> None:
    if service not in SERVICES:
        raise coded("NotSupportedService", f"{service} does not support service-specific credentials", 404)
