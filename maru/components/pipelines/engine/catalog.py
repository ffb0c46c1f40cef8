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
    "beats": beats.build,
    "dead_letter_queue": inner.build_letters,
    "elastic_agent": beats.build,
    "elasticsearch": asking.build_elasticsearch,
    "exec": generating.build_exec,
    "file": files.build,
    "gelf": local.build_gelf,
    "generator": generating.build_generator,
    "graphite": streams.build_graphite,
    "heartbeat": generating.build_heartbeat,
    "http": http.build,
    "http_poller": asking.build_http_poller,
    "kafka": kafka.build,
    "lumberjack": beats.build,
    "maru": containers.build,
    "pipe": local.build_pipe,
    "pipeline": inner.build_pipeline,
    "s3": asking.build_s3,
    "syslog": streams.build_syslog,
    "tcp": streams.build_tcp,
    "udp": streams.build_udp,
    "unix": local.build_unix,
}

OUTPUTS: Mapping[str, BuildOutput] = {
    "csv": lines.build_csv,
    "elasticsearch": elastic.build,
    "exec": lines.build_exec,
    "file": plain.build_file,
    "graphite": lines.build_graphite,
    "http": plain.build_http,
    "kafka": kafka_output.build,
    "lumberjack": lumberjack.build,
    "null": plain.build_nowhere,
    "opensearch": elastic.build,
    "pipe": lines.build_pipe,
    "pipeline": plain.build_pipeline,
    "s3": s3.build,
    "sink": plain.build_nowhere,
    "statsd": lines.build_statsd,
    "stdout": plain.build_stdout,
    "syslog": lines.build_syslog,
    "tcp": plain.build_tcp,
    "udp": plain.build_udp,
}
