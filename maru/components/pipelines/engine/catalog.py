"""The input and output plugins there are, by name.

Source: Logstash reference, "Input plugins", "Output plugins".
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.pipelines.engine.inputs import beats, containers, files, generating, http, inner, streams
from maru.components.pipelines.engine.inputs.shape import BuildInput
from maru.components.pipelines.engine.outputs import elastic, plain
from maru.components.pipelines.engine.outputs.shape import BuildOutput

INPUTS: Mapping[str, BuildInput] = {
    "beats": beats.build,
    "dead_letter_queue": inner.build_letters,
    "elastic_agent": beats.build,
    "exec": generating.build_exec,
    "file": files.build,
    "generator": generating.build_generator,
    "heartbeat": generating.build_heartbeat,
    "http": http.build,
    "maru": containers.build,
    "pipeline": inner.build_pipeline,
    "syslog": streams.build_syslog,
    "tcp": streams.build_tcp,
    "udp": streams.build_udp,
}

OUTPUTS: Mapping[str, BuildOutput] = {
    "elasticsearch": elastic.build,
    "file": plain.build_file,
    "http": plain.build_http,
    "null": plain.build_nowhere,
    "opensearch": elastic.build,
    "pipeline": plain.build_pipeline,
    "sink": plain.build_nowhere,
    "stdout": plain.build_stdout,
    "tcp": plain.build_tcp,
    "udp": plain.build_udp,
}
