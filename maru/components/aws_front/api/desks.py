"""The services behind the door: each with its model, its operations and (REST) its routes.

A model is read when the first request for its service comes; until then a desk knows only what routing
needs, which is little enough to be kept in the code for the services there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from maru.components.aws_front.engine.models import Models
from maru.contracts.aws_service import AwsOperation, AwsService
from maru.wire.aws.routes import Routes
from maru.wire.aws.shapes import ServiceModel

_NEVER_MEANT = frozenset(("ListDirectoryBuckets", "WriteGetObjectResponse", "GetBucketLifecycle", "PutBucketLifecycle"))
_NEVER_MEANT |= {"GetBucketNotification", "PutBucketNotification"}


class Desk:
    """One service. operations: those that are done, by name."""

    def __init__(self, service: AwsService, model: ServiceModel) -> None:
        self.name = service.name
        self.model = model
        self.operations: Mapping[str, AwsOperation] = service.operations()
        self.is_s3 = self.name == "s3"
        self._routes: Routes | None = None

    @property
    def routes(self) -> Routes:
        """The routes of a REST service."""
        if self._routes is None:
            operations = (self.model.operation(name) for name in self.model.operation_names())
            self._routes = Routes((each for each in operations if each is not None), _NEVER_MEANT)
        return self._routes


class Desks:
    """Finds a desk by what a request shows."""

    def __init__(self, services: Sequence[AwsService], models: Models) -> None:
        self._services = {service.name: service for service in services}
        self._models = models
        self._desks: dict[str, Desk] = {}
        self._by_target: dict[str, Desk] = {}
        self._by_version: dict[str, Desk] = {}
        self._by_signing: dict[str, list[Desk]] = {}
        self._loading = asyncio.Lock()

    async def open(self) -> None:
        """Read the models of all services there are (stripped: some milliseconds)."""
        async with self._loading:
            for name, service in self._services.items():
                if name in self._desks:
                    continue
                desk = Desk(service, await asyncio.to_thread(self._models.load_blocking, name))
                self._desks[name] = desk
                if desk.model.target_prefix:
                    self._by_target[desk.model.target_prefix] = desk
                if desk.model.protocol in ("query", "ec2"):
                    self._by_version[desk.model.version] = desk
                self._by_signing.setdefault(desk.model.signing_name, []).append(desk)

    def all(self) -> Sequence[Desk]:
        """Every desk there is."""
        return tuple(self._desks.values())

    def named(self, name: str) -> Desk | None:
        """By botocore's name."""
        return self._desks.get(name)

    def of_target(self, prefix: str) -> Desk | None:
        """By the part of X-Amz-Target before the last dot."""
        return self._by_target.get(prefix)

    def of_version(self, version: str) -> Desk | None:
        """By the Version of a query request."""
        return self._by_version.get(version)

    def of_signing(self, name: str) -> Sequence[Desk]:
        """By the service of a credential scope; several services may share one."""
        return self._by_signing.get(name, ())
