"""The input and output plugins there are, by name.

Source: Logstash reference, "Input plugins", "Output plugins".
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.pipelines.engine.inputs import (
    asking,
    beats,
    containers,
    files,
    generating,
    http,
    inner,
    kafka,
    local,
    streams,
)
from maru.components.pipelines.engine.inputs.shape import BuildInput
from maru.components.pipelines.engine.outputs import elastic, lines, lumberjack, plain, s3
from maru.components.pipelines.engine.outputs import kafka as kafka_output
from maru.components.pipelines.engine.outputs.shape import BuildOutput

INPUTS: Mapping[str, BuildInput] = {
    "beats": beats.Beats,
    "dead_letter_queue": inner.FromLetters,
    "elastic_agent": beats.Beats,
    "elasticsearch": asking.Search,
    "exec": generating.Exec,
    "file": files.Files,
    "gelf": local.Gelf,
    "generator": generating.Generator,
    "graphite": streams.build_graphite,
    "heartbeat": generating.Heartbeat,
    "http": http.Http,
    "http_poller": asking.HttpPoller,
    "kafka": kafka.Kafka,
    "lumberjack": beats.Beats,
    "maru": containers.Containers,
    "pipe": local.Pipe,
    "pipeline": inner.FromPipeline,
    "s3": asking.FromS3,
    "syslog": streams.Syslog,
    "tcp": streams.build_tcp,
    "udp": streams.Udp,
    "unix": local.Unix,
}

OUTPUTS: Mapping[str, BuildOutput] = {
    "csv": lines.ToCsv,
    "elasticsearch": elastic.Elastic,
    "exec": lines.ToExec,
    "file": plain.build_file,
    "graphite": lines.ToGraphite,
    "http": plain.ToHttp,
    "kafka": kafka_output.ToKafka,
    "lumberjack": lumberjack.ToLumberjack,
    "null": plain.Nowhere,
    "opensearch": elastic.Elastic,
    "pipe": lines.ToPipe,
    "pipeline": plain.ToPipeline,
    "s3": s3.ToS3,
    "sink": plain.Nowhere,
    "statsd": lines.ToStatsd,
    "stdout": plain.Stdout,
    "syslog": lines.ToSyslog,
    "tcp": plain.ToTcp,
    "udp": plain.ToUdp,
}
