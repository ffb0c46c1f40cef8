"""A Dockerfile as stages: what stands before the first FROM, and each FROM with what follows it.

Source: docs.docker.com/reference/dockerfile, "FROM"; docs.docker.com/build, "Multi-stage builds".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from maru.wire.dockerfile.instructions import Instruction, instruction_of
from maru.wire.dockerfile.lines import DockerfileError, read

_NAME = re.compile(r"[a-z][a-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Stage:
    """base: as written, unexpanded. name: lower case, "" for none."""

    source: Instruction
    base: str
    name: str
    platform: str
    steps: Sequence[Instruction]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """arguments: the ARGs before the first FROM."""

    arguments: Sequence[Instruction]
    stages: Sequence[Stage]
    escape: str = "\\"

    def up_to(self, target: str) -> Dockerfile:
        """Without the stages behind `target` (a name or a number). Raises DockerfileError."""
        if not target:
            return self
        for number, stage in enumerate(self.stages):
            if stage.name == target.lower() or str(number) == target:
                return Dockerfile(self.arguments, self.stages[: number + 1], self.escape)
        raise DockerfileError(f'target stage "{target}" could not be found')


def parse(text: str) -> Dockerfile:
    """Raises DockerfileError in the builder's words."""
    source = read(text)
    arguments: list[Instruction] = []
    stages: list[Stage] = []
    steps: list[Instruction] = []
    for line in source.lines:
        instruction = instruction_of(line, source.escape)
        if instruction.keyword == "FROM":
            steps = []
            stages.append(_stage(instruction, steps))
        elif stages:
            steps.append(instruction)
        elif instruction.keyword == "ARG":
            arguments.append(instruction)
        else:
            raise DockerfileError(f"dockerfile parse error on line {line.number}: no build stage in current context")
    if not stages:
        raise DockerfileError("dockerfile parse error: no build stage in current context")
    return Dockerfile(arguments, stages, source.escape)


def _stage(instruction: Instruction, steps: list[Instruction]) -> Stage:
    name = instruction.words[2].lower() if len(instruction.words) == 3 else ""
    if name and not _NAME.fullmatch(name):
        raise DockerfileError(
            f"dockerfile parse error on line {instruction.number}: invalid name for build stage: "
            f'"{instruction.words[2]}", name can\'t start with a number or contain symbols'
        )
    return Stage(instruction, instruction.words[0], name, instruction.flags.get("platform", ""), steps)
