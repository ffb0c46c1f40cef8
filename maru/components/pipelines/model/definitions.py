"""The kind Pipeline of pipelines.maru.dev: a configuration as a document.

Source: apiextensions.k8s.io/v1; Logstash reference, "pipelines.yml" (the settings of a pipeline).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import msgspec

from maru.components.pipelines.model.options import ECS_VERSIONS
from maru.core.document import Resource, Value
from maru.core.errors import Invalid
from maru.kinds.custom import definition
from maru.wire.logstash.parser import ParseError, parse
from maru.wire.logstash.syntax import Pipeline, Plugin, Step

PIPELINES = Resource("pipelines.maru.dev", "v1", "pipelines", "Pipeline", namespaced=False)
Usual = tuple[tuple[str, str], ...]
MEMORY, PERSISTED = "memory", "persisted"
CONTAINER_LOGS = "container-logs"
BEATS = "beats"

_VARIABLE = re.compile(r"\$\{(\w+)(?::([^}]*))?\}")

CONTAINER_LOGS_CONFIG = """\
# The logs of every container of this node, searchable from the start.
input { maru { } }
filter {
  if [message] =~ /^\\s*\\{/ {
    json { source => "message" target => "[@metadata][json]" skip_on_invalid_json => true }
    mutate { convert => { "[@metadata][json][level]" => "string" "[@metadata][json][severity]" => "string" } }
    # What is no word (an object, a list) would be at odds with the levels of all other lines.
    if [@metadata][json][level] =~ /^\\w{1,32}$/ { mutate { copy => { "[@metadata][json][level]" => "level" } } }
    else if [@metadata][json][severity] =~ /^\\w{1,32}$/ {
      mutate { copy => { "[@metadata][json][severity]" => "level" } }
    }
  } else {
    grok { match => { "message" => "\\b%{LOGLEVEL:level}\\b" } tag_on_failure => [] }
  }
  if [level] { mutate { lowercase => [ "level" ] } }
}
output {
  elasticsearch { data_stream => true data_stream_dataset => "containers" }
}
"""
BEATS_CONFIG = """\
# Filebeat and its kin send here; each beat has an index for each day.
input { beats { port => 5044 } }
output { elasticsearch { index => "%{[@metadata][beat]}-%{[@metadata][version]}-%{+YYYY.MM.dd}" } }
"""


class PipelineSpec(msgspec.Struct, frozen=True, rename="camel"):
    """config: in Logstash's language. queue: memory or persisted. ecs_compatibility: where plugins do not say.

    support_escapes: of strings in it. is_ordered: one worker only.
    """

    config: str
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 250
    batch_delay_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 50
    queue: str = MEMORY
    queue_max_bytes: Annotated[int, msgspec.Meta(ge=1 << 20)] = 1 << 30
    dead_letter_queue: bool = False
    support_escapes: bool = False
    ecs_compatibility: str = ""
    is_ordered: bool = False


def pipeline_definition() -> Value:
    """To be created where it is not there."""
    columns = [("Phase", ".status.phase"), ("Queue", ".spec.queue"), ("Message", ".status.message")]
    return definition(PIPELINES, PipelineSpec, columns)


def spec_of(value: Value) -> PipelineSpec:
    """The view of a document. Raises msgspec.ValidationError."""
    return msgspec.convert(value["spec"], PipelineSpec)


def pipeline_of(spec: PipelineSpec, environment: Mapping[str, str]) -> Pipeline:
    """The configuration, read. Raises Invalid: it is none, a variable is not set, settings that are at odds."""
    if spec.is_ordered and spec.workers > 1:
        raise Invalid(what="pipeline.ordered", why="it wants one worker", fix="pipeline.workers: 1")
    if spec.ecs_compatibility not in ("", "disabled", *ECS_VERSIONS):
        why = f"no mode {spec.ecs_compatibility!r}"
        raise Invalid(what="pipeline.ecs_compatibility", why=why, fix=f"disabled, {', '.join(ECS_VERSIONS)}")
    try:
        pipeline = parse(with_variables(spec.config, environment), escapes=spec.support_escapes)
    except ParseError as error:
        raise Invalid(what="the configuration", why=str(error), fix="correct it there") from error
    if not pipeline.inputs:
        raise Invalid(what="the configuration", why="it has no input", fix="input { ... }")
    if not spec.ecs_compatibility:
        return pipeline
    usual: Usual = (("ecs_compatibility", spec.ecs_compatibility),)
    return Pipeline(
        _with_usual(pipeline.inputs, usual), _with_usual(pipeline.filters, usual), _with_usual(pipeline.outputs, usual)
    )


def _with_usual(steps: Sequence[Step], usual: Usual) -> Sequence[Step]:
    return [
        replace(step, usual=usual)
        if isinstance(step, Plugin)
        else replace(step, arms=tuple((condition, _with_usual(body, usual)) for condition, body in step.arms))
        for step in steps
    ]


def with_variables(text: str, environment: Mapping[str, str]) -> str:
    """`${NAME}` and `${NAME:default}` replaced. Raises Invalid for one that is not set."""

    def replaced(match: re.Match[str]) -> str:
        value = environment.get(match[1], match[2])
        if value is None:
            raise Invalid(
                what=f"variable ${{{match[1]}}}",
                why="Cannot evaluate it: it is not set and has no default",
                fix=f"write ${{{match[1]}:default}}, or set it where Maru is started",
            )
        return value

    return _VARIABLE.sub(replaced, text)
