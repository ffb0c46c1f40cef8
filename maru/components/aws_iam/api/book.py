"""The book: all of IAM's documents in memory, found by account and name, and written through.

Everything here is of one account; no lookup crosses accounts but those by access key. An account's `edition`
goes up with every change that can bear on who somebody is or what they may do, so that what was derived from
its documents knows when to look again.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

from maru.components.aws_iam.config import IamConfig
from maru.components.aws_iam.errors import already_exists
from maru.components.aws_iam.model.codes import is_current
from maru.components.aws_iam.model.documents import (
    CERTIFICATE,
    DEVICE,
    GROUP,
    KEY,
    POLICY,
    PROFILE,
    PROVIDER,
    ROLE,
    SETTING,
    SETTING_NAME,
    USE,
    USER,
    CertificateFields,
    DeviceFields,
    Entity,
    GroupFields,
    KeyFields,
    KindOfEntity,
    PolicyFields,
    ProfileFields,
    ProviderFields,
    Role,
    RoleFields,
    SettingFields,
    UseFields,
    UserFields,
    decoded,
    definitions,
)
from maru.contracts.aws_access import AwsCaller, CallerKind
from maru.contracts.sealer import Sealer
from maru.core.client import Client
from maru.core.clock import Clock, parse_rfc3339
from maru.core.document import Resource, Value
from maru.core.errors import AlreadyExists, NotFound
from maru.core.ids import Ids
from maru.core.informer import Place
from maru.core.kept import Kept
from maru.core.lifecycle import Background
from maru.kinds.aws import ROOT_ACCOUNT, document_name, namespace_of

NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
BY_NAME = "name"
BY_ARN = "arn"
BY_KEY = "key"
TRUSTS_MAX = 1_024
ROOT_USER = ":root"
"""Who an MFA device of the account's root user is of."""

F = TypeVar("F")


class Followed(Protocol):
    """What all shelves' documents have in common, whatever they are of."""

    resource: Resource

    def on_change(self, handler: Callable[[Place], None]) -> None: ...

    async def ensure_kind(self, definition: Value) -> None: ...

    async def run(self) -> None: ...

    async def wait_synced(self) -> None: ...

    async def clear(self) -> None: ...


class Shelf(Generic[F]):
    """The documents of one kind. `case` tells whether names differ in case (device serials) or not."""

    def __init__(self, client: Client, kind: KindOfEntity[F], clock: Clock, ids: Ids) -> None:
        self.kind = kind
        self.kept: Kept[Entity[F]] = Kept(client, kind.resource, kind.read, clock, ids)
        self.kept.index(BY_NAME, lambda entity: (f"{entity.account}/{entity.name.lower()}",))
        self.kept.index(BY_ARN, lambda entity: (entity.arn,))
        self._client = client

    def find(self, account: str, name: str) -> Entity[F] | None:
        """By name in any case, or None."""
        entity = self.kept.get(namespace_of(account), document_name(name.lower()))
        if entity is not None and entity.name.lower() == name.lower():
            return entity
        return next(iter(self.kept.by_index(BY_NAME, f"{account}/{name.lower()}")), None)

    def find_by_arn(self, arn: str) -> Entity[F] | None:
        """By ARN, or None; letters count."""
        return next(iter(self.kept.by_index(BY_ARN, arn)), None)

    def list(self, account: str) -> list[Entity[F]]:
        """All of an account, ascending by name without regard to case."""
        return sorted(self.kept.list(namespace_of(account)), key=lambda entity: (entity.name.lower(), entity.name))

    async def create(self, account: str, name: str, spec: Value) -> Entity[F]:
        """A new one. Raises AlreadyExists (EntityAlreadyExists)."""
        if self.find(account, name) is not None:
            raise already_exists(f"{self.kind.resource.kind} with name {name} already exists.")
        return await self.create_at(account, name, spec)

    async def create_at(self, account: str, place: str, spec: Value) -> Entity[F]:
        """A new one whose document is called by `place`, where several may have one name under different paths."""
        word, name = self.kind.resource.kind, spec.get("name", place)
        metadata = {"namespace": namespace_of(account), "name": document_name(place.lower())}
        try:
            return await self._create({"metadata": metadata, "spec": spec})
        except AlreadyExists as error:
            raise already_exists(f"{word} with name {name} already exists.") from error

    async def change(self, entity: Entity[F], spec: Value) -> Entity[F]:
        """Merge `spec` into it. Raises Conflict when it changed since `entity` was read."""
        patch = {"metadata": {"resourceVersion": entity.version}, "spec": spec}
        return await self.kept.patch(namespace_of(entity.account), entity.document, patch)

    async def delete(self, entity: Entity[F]) -> None:
        """It is gone when this returns; one that is gone already is fine."""
        with suppress(NotFound):
            await self.kept.delete(namespace_of(entity.account), entity.document)

    async def _create(self, value: Value) -> Entity[F]:
        try:
            return await self.kept.create(value)
        except NotFound:
            await ensure_namespace(self._client, value["metadata"]["namespace"])
            return await self.kept.create(value)


@dataclass(frozen=True, slots=True)
class Tools:
    """What operations work with besides documents."""

    sealer: Sealer
    clock: Clock
    ids: Ids
    config: IamConfig


class Book:
    """See the module."""

    def __init__(self, client: Client, tools: Tools) -> None:
        clock, ids = tools.clock, tools.ids
        self.client = client
        self.tools = tools
        self.users: Shelf[UserFields] = Shelf(client, USER, clock, ids)
        self.groups: Shelf[GroupFields] = Shelf(client, GROUP, clock, ids)
        self.roles: Shelf[RoleFields] = Shelf(client, ROLE, clock, ids)
        self.policies: Shelf[PolicyFields] = Shelf(client, POLICY, clock, ids)
        self.profiles: Shelf[ProfileFields] = Shelf(client, PROFILE, clock, ids)
        self.keys: Shelf[KeyFields] = Shelf(client, KEY, clock, ids)
        self.devices: Shelf[DeviceFields] = Shelf(client, DEVICE, clock, ids)
        self.providers: Shelf[ProviderFields] = Shelf(client, PROVIDER, clock, ids)
        self.certificates: Shelf[CertificateFields] = Shelf(client, CERTIFICATE, clock, ids)
        self.settings: Shelf[SettingFields] = Shelf(client, SETTING, clock, ids)
        self._editions: dict[str, int] = {}
        self._trusts: dict[str, Value] = {}
        self.keys.kept.index(BY_KEY, lambda key: (key.fields.id,))
        self.uses: Shelf[UseFields] = Shelf(client, USE, clock, ids)
        bearing: Sequence[Followed] = (
            self.users.kept, self.groups.kept, self.roles.kept, self.policies.kept, self.keys.kept,
        )  # fmt: skip
        for kept in bearing:
            kept.on_change(self._changed)

    def _every(self) -> Sequence[Followed]:
        return (
            self.users.kept,
            self.groups.kept,
            self.roles.kept,
            self.policies.kept,
            self.profiles.kept,
            self.keys.kept,
            self.devices.kept,
            self.providers.kept,
            self.certificates.kept,
            self.settings.kept,
            self.uses.kept,
        )

    async def open(self, tasks: Background) -> None:
        """See that the kinds are served, and return when all documents are in memory."""
        written: Mapping[Resource, Value] = definitions()
        await asyncio.gather(*(kept.ensure_kind(written[kept.resource]) for kept in self._every()))
        for kept in self._every():
            tasks.start(kept.run(), kept.resource.plural)
        for kept in self._every():
            await kept.wait_synced()

    async def clear(self) -> None:
        """Delete all but the access keys of the first account's root user, who is the administrator."""
        began = self.setting(ROOT_ACCOUNT).root_created_at
        for kept in self._every():
            if kept is not self.keys.kept:
                await kept.clear()
        await self.set_setting(ROOT_ACCOUNT, {"rootCreatedAt": began})
        await self.keys.kept.clear(lambda key: key.account == ROOT_ACCOUNT and not key.fields.user)

    def edition(self, account: str) -> int:
        """Goes up with every change of the account's users, groups, roles, policies and access keys."""
        return self._editions.get(account, 0)

    def key(self, access_key: str) -> Entity[KeyFields] | None:
        """An access key of any account, by its ID."""
        return next(iter(self.keys.kept.by_index(BY_KEY, access_key)), None)

    def trust(self, role: Role) -> Value:
        """Its trust policy, decoded; the same object for the same text, compiled once so. Never change it."""
        written = role.fields.trust
        if not isinstance(written, str):
            return written
        policy = self._trusts.get(written)
        if policy is None:
            if len(self._trusts) >= TRUSTS_MAX:
                self._trusts.clear()
            policy = self._trusts[written] = decoded(written)
        return policy

    def setting(self, account: str) -> SettingFields:
        """An account's settings; the defaults while nothing was set."""
        entity = self.settings.find(account, SETTING_NAME)
        return entity.fields if entity is not None else SettingFields()

    async def set_setting(self, account: str, spec: Value) -> None:
        """Merge into an account's settings."""
        entity = self.settings.find(account, SETTING_NAME)
        if entity is None:
            await self.settings.create(account, SETTING_NAME, spec)
        else:
            await self.settings.change(entity, spec)

    def check_code(self, caller: AwsCaller, serial: str, given: str) -> bool:
        """Whether `given` is what the caller's own MFA device `serial` shows now."""
        owner = ROOT_USER if caller.kind is CallerKind.ROOT else caller.arn.rsplit("/", 1)[-1]
        now_s = int(self.tools.clock.now().timestamp())
        for device in self.devices.list(caller.account):
            if device.arn == serial and device.fields.user.lower() == owner.lower():
                return is_current(self.seed(device), given, now_s)
        return False

    def seed(self, device: Entity[DeviceFields]) -> bytes:
        """An MFA device's seed. Raises Broken if it was changed or moved."""
        return self.tools.sealer.open(base64.b64decode(device.fields.sealed), seed_context(device.name))

    def born_at(self, account: str) -> datetime:
        """When the account began, as far as it is known."""
        stamp = self.setting(account).root_created_at
        return parse_rfc3339(stamp) if stamp else datetime.fromtimestamp(0, UTC)

    def _changed(self, place: Place) -> None:
        account = place[0].removeprefix(namespace_of(""))
        self._editions[account] = self._editions.get(account, 0) + 1


def seed_context(name: str) -> bytes:
    """What an MFA device's seed is sealed with."""
    return f"iam mfa device {name}".encode()


async def ensure_namespace(client: Client, name: str) -> None:
    """The namespace of an account is there when this returns."""
    with suppress(AlreadyExists):
        await client.create(NAMESPACES, {"metadata": {"name": name}})
