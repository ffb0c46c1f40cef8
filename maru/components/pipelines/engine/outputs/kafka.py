"""kafka: events as records of a topic; a batch is done once the brokers have acknowledged all of it.

Source: Logstash reference, "Kafka output plugin"; the Kafka protocol, by aiokafka (an extra).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.kafka import CREDENTIALS_FIX, imported, secured
from maru.components.pipelines.engine.outputs.shape import Refused, codec_of
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.options import OutputOptions, options_of
from maru.core.errors import Invalid, Unavailable
from maru.wire.logstash.syntax import Plugin

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

ACKS: Mapping[str, int | str] = {"0": 0, "1": 1, "all": "all", "-1": "all"}


class KafkaOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """topic_id, message_key, message_headers: formatted with the event. linger_ms, request_timeout_ms: ms."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["retries", "retry_backoff_ms", "buffer_memory"])

    bootstrap_servers: str = "localhost:9092"
    topic_id: str
    message_key: str = ""
    message_headers: Mapping[str, str] = {}
    client_id: str = "logstash"
    acks: str = "1"
    compression_type: str = "none"
    batch_size: int = 16384
    linger_ms: int = 0
    max_request_size: int = 1 << 20
    request_timeout_ms: int = 40_000
    retries: int = 0
    retry_backoff_ms: int = 100
    buffer_memory: int = 32 << 20
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "GSSAPI"
    sasl_jaas_config: str = ""
    ssl_truststore_location: str = ""
    ssl_truststore_type: str = "PEM"


class ToKafka:
    """Connects at the first batch."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options = options_of(plugin, KafkaOptions, "output")
        imported("output plugin 'kafka'")
        if options.acks not in ACKS:
            raise Invalid(what="output plugin 'kafka'", why=f"no acks {options.acks!r}", fix="0, 1 or all")
        if options.compression_type not in ("none", "gzip", "snappy", "lz4", "zstd"):
            why = f"no compression_type {options.compression_type!r}"
            raise Invalid(what="output plugin 'kafka'", why=why, fix="none, gzip, snappy, lz4 or zstd")
        self._security = secured(options, "output plugin 'kafka'")
        self._write = codec_of(options, "plain")
        self._producer: AIOKafkaProducer | None = None

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        from aiokafka.errors import KafkaError, MessageSizeTooLargeError

        refused: list[Refused] = []
        try:
            producer = await self._connected()
            waiting = []
            for event in events:
                try:
                    waiting.append(await producer.send(event.sprintf(self._options.topic_id), **self._record(event)))
                except MessageSizeTooLargeError as error:
                    refused.append(Refused(event, str(error)))
            for each in waiting:
                await each
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            raise Unavailable(
                what=self._options.bootstrap_servers, why=str(error) or type(error).__name__, fix=CREDENTIALS_FIX
            ) from error
        return refused

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    def _record(self, event: Event) -> Mapping[str, object]:
        options, moment = self._options, event.timestamp
        headers = [(name, event.sprintf(value).encode()) for name, value in options.message_headers.items()]
        return {
            "value": self._write(event),
            "key": event.sprintf(options.message_key).encode() if options.message_key else None,
            "headers": headers or None,
            "timestamp_ms": int(moment.timestamp() * 1000) if moment is not None else None,
        }

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            from aiokafka import AIOKafkaProducer

            options = self._options
            producer = AIOKafkaProducer(
                bootstrap_servers=options.bootstrap_servers, client_id=options.client_id, acks=ACKS[options.acks],
                compression_type=None if options.compression_type == "none" else options.compression_type,
                max_batch_size=options.batch_size, linger_ms=options.linger_ms,
                max_request_size=options.max_request_size, request_timeout_ms=options.request_timeout_ms,
                **self._security,
            )  # fmt: skip
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer
