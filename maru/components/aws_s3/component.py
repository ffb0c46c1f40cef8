"""S3: what it needs, how its parts are put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from maru.components.aws_s3.api.access import Access
from maru.components.aws_s3.api.buckets import Buckets
from maru.components.aws_s3.api.copies import Copies
from maru.components.aws_s3.api.cors import Cors
from maru.components.aws_s3.api.deletes import Deletes
from maru.components.aws_s3.api.forms import Forms
from maru.components.aws_s3.api.gets import Gets
from maru.components.aws_s3.api.lists import Lists
from maru.components.aws_s3.api.marks import Marks
from maru.components.aws_s3.api.multipart import Multipart
from maru.components.aws_s3.api.puts import Puts
from maru.components.aws_s3.api.reach import Reach
from maru.components.aws_s3.api.sealing import Sealing
from maru.components.aws_s3.api.select import Select
from maru.components.aws_s3.api.settings import Settings
from maru.components.aws_s3.api.several import Several
from maru.components.aws_s3.api.website import Website
from maru.components.aws_s3.config import AwsS3Config
from maru.components.aws_s3.controllers.access_logs import AccessLogs
from maru.components.aws_s3.controllers.collection import Collection
from maru.components.aws_s3.controllers.lifecycle import Expiry
from maru.components.aws_s3.engine.contents import Contents
from maru.components.aws_s3.engine.depot import Depot
from maru.components.aws_s3.engine.index import Index
from maru.components.aws_s3.engine.master import master_key
from maru.components.aws_s3.model.bucket import BUCKETS, bucket_definition, read_bucket
from maru.contracts.aws_access import AwsAuthorizer, AwsCredentials
from maru.contracts.aws_keys import AwsKeys
from maru.contracts.aws_service import AwsOperation, AwsService
from maru.contracts.sealer import Sealer
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.ids import Ids
from maru.core.kept import Kept
from maru.core.lifecycle import background
from maru.core.site import Site

SWEEP_S = 2.0


@dataclass(frozen=True)
class Needs:
    site: Site
    clients: Clients
    sealer: Sealer
    authorizer: AwsAuthorizer
    credentials: AwsCredentials
    keys: Sequence[AwsKeys]
    clock: Clock
    ids: Ids
    config: AwsS3Config


@dataclass(frozen=True)
class Gives:
    s3: AwsService


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Serve until closed."""
    client = needs.clients.acting_as("system:controller:aws-s3", ["system:masters"])
    kept = Kept(client, BUCKETS, read_bucket, needs.clock, needs.ids)
    kept.index("account", lambda bucket: (bucket.account,))
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(background("aws_s3"))
        await kept.ensure_kind(bucket_definition())
        tasks.start(kept.run(), "buckets")
        await kept.wait_synced()
        depot = await stack.enter_async_context(_opened_depot(needs))
        sealing = Sealing(await master_key(depot.index, needs.sealer), needs.keys)
        reach = Reach(kept, depot, needs.authorizer, needs.config, clock=needs.clock, ids=needs.ids)
        tasks.start(_sweep(depot, needs.clock), "removal")
        tasks.start(Collection(depot, needs.clock, needs.config.collect_every_s).run(), "collection")
        tasks.start(Expiry(kept, depot, needs.clock, needs.config).run(), "expiry")
        logs = AccessLogs(reach, sealing, needs.authorizer)
        tasks.start(logs.run(), "access logs")
        yield Gives(S3(reach, sealing, logs, needs.credentials))
        tasks.cancel()
        await logs.deliver()


class S3:
    """The service: the operations of all nouns together."""

    def __init__(self, reach: Reach, sealing: Sealing, logs: AccessLogs, credentials: AwsCredentials) -> None:
        self._reach = reach
        puts, gets = Puts(reach, sealing), Gets(reach, sealing)
        cors = Cors(reach)
        self._operations: dict[str, AwsOperation] = dict(cors.operations())
        nouns = (
            Buckets(reach),
            puts,
            gets,
            Deletes(reach),
            Lists(reach),
            Multipart(reach, sealing),
            Copies(reach, sealing, gets),
            Select(reach, sealing, gets),
            Settings(reach),
            Several(reach),
            Access(reach),
            Marks(reach),
            Website(reach, gets),
            Forms(reach, puts, credentials),
        )

        for noun in nouns:
            self._operations |= {name: logs.around(name, cors.around(one)) for name, one in noun.operations().items()}

    @property
    def name(self) -> str:
        """As botocore calls it."""
        return "s3"

    def operations(self) -> Mapping[str, AwsOperation]:
        """Those that are done."""
        return self._operations

    async def reset(self) -> None:
        """As contracts.aws_service.Resettable."""
        await self._reach.kept.clear()
        await self._reach.depot.clear()


@asynccontextmanager
async def _opened_depot(needs: Needs) -> AsyncIterator[Depot]:
    folder = needs.site.folder("aws_s3")
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    index = Index(folder / "index.db")
    await index.open()
    try:
        contents = Contents(folder / "content", needs.clock, needs.ids, needs.config.inline_bytes_max)
        text = "SELECT COALESCE(MAX(id), 0) FROM contents"
        await contents.open(await index.read(lambda rows: int(rows.execute(text).fetchone()[0])))
        try:
            yield Depot(index, contents, needs.clock, needs.ids)
        finally:
            await contents.close()
    finally:
        await index.close()


async def _sweep(depot: Depot, clock: Clock) -> None:
    while True:
        await depot.contents.wait_unwanted()
        await clock.sleep(SWEEP_S)
        await depot.contents.sweep()
