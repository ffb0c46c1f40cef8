"""kafka: records of topics, as one of a group; an offset is committed once the events up to it are safe.

Source: Logstash reference, "Kafka input plugin"; the Kafka protocol, by aiokafka (an extra).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.inputs.shape import Dress, Emit, Pending, codec_of
from maru.components.pipelines.engine.kafka import CREDENTIALS_FIX, imported, secured
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.options import InputOptions, options_of
from maru.core.errors import Invalid, Unavailable
from maru.wire.logstash.syntax import Plugin

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, ConsumerRecord

POLL_MS = 1_000


class KafkaOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """topics, or topics_pattern. decorate_events: none, basic or extended (with headers), under [@metadata][kafka]."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])
    without_effect: ClassVar[frozenset[str]] = frozenset(
        ["consumer_threads", "poll_timeout_ms", "enable_auto_commit", "auto_commit_interval_ms", "check_crcs"]
    )

    bootstrap_servers: str = "localhost:9092"
    topics: Sequence[str] = ()
    topics_pattern: str = ""
    group_id: str = "logstash"
    group_instance_id: str = ""
    client_id: str = "logstash"
    auto_offset_reset: str = "latest"
    decorate_events: str = "none"
    consumer_threads: int = 1
    max_poll_records: int = 500
    max_poll_interval_ms: int = 300_000
    poll_timeout_ms: int = 100
    session_timeout_ms: int = 10_000
    heartbeat_interval_ms: int = 3_000
    request_timeout_ms: int = 40_000
    fetch_max_wait_ms: int = 500
    isolation_level: str = "read_uncommitted"
    enable_auto_commit: bool = True
    auto_commit_interval_ms: int = 5_000
    check_crcs: bool = True
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "GSSAPI"
    sasl_jaas_config: str = ""
    ssl_truststore_location: str = ""
    ssl_truststore_type: str = "PEM"
    ecs_compatibility: str = "v8"


class Kafka:
    """A consumer of the group for as long as it runs."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options = options_of(plugin, KafkaOptions, "input")
        what = f"input plugin 'kafka' at line {plugin.place.line}"
        imported(what)
        if options.auto_offset_reset not in ("earliest", "latest", "none"):
            why = f"no auto_offset_reset {options.auto_offset_reset!r}"
            raise Invalid(what=what, why=why, fix="earliest, latest or none")
        # Its values were booleans once: true is basic.
        self._decorates = {"true": "basic", "false": "none"}.get(options.decorate_events, options.decorate_events)
        if self._decorates not in ("none", "basic", "extended"):
            raise Invalid(what=what, why=f"no decorate_events {self._decorates!r}", fix="none, basic or extended")
        self._security = secured(options, what)
        self._ground = ground
        self._dress = Dress(options)
        self._codec = codec_of(options, "plain")

    async def run(self, emit: Emit) -> None:
        from aiokafka import AIOKafkaConsumer
        from aiokafka.errors import KafkaError

        options = self._options
        consumer = AIOKafkaConsumer(
            bootstrap_servers=options.bootstrap_servers, group_id=options.group_id, client_id=options.client_id,
            group_instance_id=options.group_instance_id or None, auto_offset_reset=options.auto_offset_reset,
            enable_auto_commit=False, max_poll_records=options.max_poll_records,
            max_poll_interval_ms=options.max_poll_interval_ms, session_timeout_ms=options.session_timeout_ms,
            heartbeat_interval_ms=options.heartbeat_interval_ms, request_timeout_ms=options.request_timeout_ms,
            fetch_max_wait_ms=options.fetch_max_wait_ms, isolation_level=options.isolation_level, **self._security,
        )  # fmt: skip
        if options.topics_pattern:
            consumer.subscribe(pattern=options.topics_pattern)
        else:
            consumer.subscribe(list(options.topics) or ["logstash"])
        try:
            await consumer.start()
            while True:
                await self._take(consumer, emit)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(
                what=options.bootstrap_servers, why=str(error) or type(error).__name__, fix=CREDENTIALS_FIX
            ) from error
        finally:
            await consumer.stop()

    async def _take(self, consumer: AIOKafkaConsumer, emit: Emit) -> None:
        """What has come, into the pipeline; committed once it is safe there."""
        from aiokafka.errors import CommitFailedError, IllegalStateError

        taken = await consumer.getmany(timeout_ms=POLL_MS)
        records = [record for each in taken.values() for record in each]
        if not records:
            return
        values = [(record, value) for record in records for value in self._read(record)]
        pending = Pending(len(values))
        await emit([self._event(record, value, pending) for record, value in values])
        if values:
            await pending.all_safe.wait()
        try:
            await consumer.commit({partition: each[-1].offset + 1 for partition, each in taken.items()})
        except (CommitFailedError, IllegalStateError):
            # The group was divided anew meanwhile: who has the partition now gets the records again.
            self._ground.log.warning("offsets were not committed, the group has changed", input="kafka")

    def _read(self, record: ConsumerRecord) -> Sequence[dict[str, object]]:
        codec = self._codec()
        return [*codec.feed(record.value or b""), *codec.end()]

    def _event(self, record: ConsumerRecord, value: dict[str, object], pending: Pending) -> Event:
        event = self._dress.event({**value}, self._ground.now(), pending)
        if self._decorates != "none":
            event.metadata["kafka"] = {
                "topic": record.topic, "partition": record.partition, "offset": record.offset,
                "timestamp": record.timestamp, "consumer_group": self._options.group_id,
                "key": record.key.decode("utf-8", "replace") if record.key is not None else None,
            }  # fmt: skip
        if self._decorates == "extended":
            for name, content in record.headers:
                event.put(("@metadata", "kafka", "headers", name), content.decode("utf-8", "replace"))
        return event
