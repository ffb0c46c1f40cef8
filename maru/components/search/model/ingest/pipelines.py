"""Ingest pipelines: their definitions compiled, and documents run through them.

Source: Elasticsearch reference, "Ingest pipelines", "Processor reference".
"""

from __future__ import annotations

from collections.abc import Callable

from maru.components.search.errors import failure, illegal
from maru.components.search.model.ingest.documents import Environment, ProcessorFault
from maru.components.search.model.ingest.processors import PROCESSORS, Step
from maru.core.errors import MaruError
from maru.wire.elastic.json import Object

DEPTH_MAX = 20


class Pipelines:
    """find: a definition by name, or None. now: milliseconds."""

    def __init__(self, find: Callable[[str], Object | None], now: Callable[[], int]) -> None:
        self._find = find
        self._now = now
        self._made: dict[str, tuple[Object, list[Step]]] = {}

    def run(self, name: str, document: Object, meta: Object, depth: int = 0) -> None:
        """Change document and meta in place. Raises Dropped, or illegal_argument for what fails."""
        definition = self._find(name)
        if definition is None:
            raise illegal(f"pipeline with id [{name}] does not exist")
        if depth > DEPTH_MAX:
            raise illegal(f"Cycle detected for pipeline: {name}")
        have = self._made.get(name)
        if have is None or have[0] is not definition:
            have = self._made[name] = (definition, compiled(definition))
        environment = Environment(self._now(), lambda inner: self.run(inner, document, meta, depth + 1))
        run_steps(have[1], document, meta, environment, definition.get("on_failure"))

    def simulate(self, definition: Object, document: Object, meta: Object, *, verbose: bool = False) -> list[Object]:
        """Run one that is not kept; what each step left, where `verbose`."""
        environment = Environment(self._now(), lambda inner: self.run(inner, document, meta, 1))
        results: list[Object] = []
        for step in compiled(definition):
            kind = step.kind
            try:
                step.run(document, meta, environment)
            except ProcessorFault as error:
                results.append(
                    {
                        "processor_type": kind,
                        "status": "error",
                        "error": {
                            "root_cause": [{"type": error.kind, "reason": str(error)}],
                            "type": error.kind,
                            "reason": str(error),
                        },
                    }
                )
                raise failure(400, error.kind, str(error), results=results) from error
            results.append({"processor_type": kind, "status": "success", "document": dict(document)})
        return results


def compiled(definition: Object) -> list[Step]:
    """The steps of a definition. Raises parse_exception."""
    if "processors" not in definition:
        raise failure(400, "parse_exception", "[processors] required property is missing", property_name="processors")
    steps = []
    for one in definition["processors"]:
        kind, params = next(iter(one.items()))
        maker = PROCESSORS.get(kind)
        if maker is None:
            raise failure(400, "parse_exception", f"No processor type exists with name [{kind}]", processor_type=kind)
        failures = compiled({"processors": params["on_failure"]}) if params.get("on_failure") else []
        steps.append(Step(kind, params, maker(params), failures))
    return steps


def run_steps(
    steps: list[Step], document: Object, meta: Object, environment: Environment, on_failure: list[Object] | None
) -> None:
    """Run them all. Raises Dropped, or illegal_argument for what fails and is not caught."""
    try:
        for step in steps:
            step.run(document, meta, environment)
    except ProcessorFault as error:
        if not on_failure:
            raise _failed(error) from error
        meta["_ingest"] = {
            "on_failure_message": str(error),
            "on_failure_processor_type": error.processor,
            "on_failure_processor_tag": error.tag,
        }
        try:
            for step in compiled({"processors": on_failure}):
                step.run(document, meta, environment)
        except ProcessorFault as second:
            raise _failed(second) from second


def _failed(error: ProcessorFault) -> MaruError:
    return failure(400, error.kind, str(error))
