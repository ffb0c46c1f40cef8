"""A build from its context to its image: stages in order, each step told as dockerd's classic builder tells it.

Source: moby builder/dockerfile/{builder,evaluator,dispatchers}.go; Docker Engine API v1.50, ImageBuild.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from maru.components.docker.controllers.builds.copying import copy, work_in
from maru.components.docker.controllers.builds.running import Runner
from maru.components.docker.controllers.builds.squashing import squash
from maru.components.docker.controllers.builds.work import SHORT, Say, Work
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.engine.builds.context import real_path_blocking
from maru.components.docker.engine.builds.secrets import put_away_blocking
from maru.components.docker.model.builds.arguments import Arguments
from maru.components.docker.model.builds.config import PATH, Draft, change, is_change, nothing
from maru.components.docker.model.builds.options import DEFAULT_DOCKERFILE, BuildOptions
from maru.contracts.image_store import Commit
from maru.core.clock import rfc3339_micro
from maru.core.document import Value
from maru.core.errors import Invalid, MaruError, Unavailable
from maru.wire.dockerfile.ignore import is_ignored, read_ignore
from maru.wire.dockerfile.instructions import Instruction, instruction_of
from maru.wire.dockerfile.lines import DockerfileError, split
from maru.wire.dockerfile.stages import Dockerfile, Stage, parse
from maru.wire.dockerfile.words import expand
from maru.wire.oci.reference import parse_reference

DOCKERFILE_BYTES_MAX = 8 << 20
SCRATCH = "scratch"
LINES_KEPT = 4096  # of a quiet build, for when it fails


@dataclass(frozen=True, slots=True)
class Building:
    """Builds images. runner: of the RUN steps; under_way: the builds that are not done."""

    dock: Dock
    runner: Runner
    under_way: list[Work] = field(default_factory=list)

    def holds(self, image_id: str) -> bool:
        """Whether a build stands on it now."""
        return any(image_id in work.taken for work in self.under_way)

    async def build(self, options: BuildOptions, folder: Path, say: Say) -> None:
        """folder: has the context in `context`. Raises what dockerd says."""
        names = [_tag(tag) for tag in options.tags]
        if options.secrets:
            await asyncio.to_thread(put_away_blocking, str(folder / "context"), folder / "secrets", options.secrets)
        try:
            dockerfile = parse(await asyncio.to_thread(_read_blocking, str(folder / "context"), options.dockerfile))
            dockerfile = _labelled(dockerfile.up_to(options.target), options)
        except DockerfileError as error:
            raise Invalid(what=str(error), why="") from error

        untold: list[Value] = []

        async def quietly(line: Value) -> None:
            if options.is_quiet:
                untold.append(line)  # told after all when the build fails
                del untold[:-LINES_KEPT]
            else:
                await say(line)

        work = Work(self.dock, options, folder, quietly, dockerfile.escape, Arguments(options.arguments))
        work.cached = self._cached(options)
        self.under_way.append(work)
        try:
            image_id = await self._stages(work, dockerfile)
            if options.is_squashed and image_id:
                image_id = await squash(work, image_id)
            if not image_id and options.is_empty_taken:
                empty = Commit(base="", layer="", config={}, created=rfc3339_micro(self.dock.clock.now()))
                image_id = (await self.dock.images.commit(empty)).id
                await work.say({"aux": {"ID": image_id}})
            await self._finish(work, image_id, names, say)
        except MaruError:
            for line in untold:
                await say(line)
            raise
        finally:
            self.under_way.remove(work)

    async def _finish(self, work: Work, image_id: str, names: Sequence[str], say: Say) -> None:
        """Say what became of it, and give it its names."""
        if not image_id:
            raise Invalid(what="No image was generated. Is your Dockerfile empty?", why="")
        unused = work.arguments.unused()
        if unused:
            await work.tell(f"[Warning] One or more build-args [{' '.join(unused)}] were not consumed\n")
        await say({"stream": f"{image_id}\n"}) if work.options.is_quiet else await work.tell(
            f"Successfully built {image_id[SHORT]}\n"
        )
        self.dock.events.publish("image", "create", image_id, {"name": image_id})
        for shown in names:
            await self.dock.images.tag(image_id, shown)
            self.dock.events.publish("image", "tag", image_id, {"name": shown})
            await work.tell(f"Successfully tagged {shown}\n")

    async def _stages(self, work: Work, dockerfile: Dockerfile) -> str:
        total = len(dockerfile.arguments) + sum(1 + len(stage.steps) for stage in dockerfile.stages)
        number = 0
        for instruction in dockerfile.arguments:
            number += 1
            await work.tell(f"Step {number}/{total} : {instruction.original}\n")
            for name, default in instruction.pairs:
                value = None if default is None else _expand(default, work.arguments.before(), work.escape)
                work.arguments.declare_before(name, value)
        image_id = ""
        for index, stage in enumerate(dockerfile.stages):
            number += 1
            await work.tell(f"Step {number}/{total} : {stage.source.original}\n")
            draft = await self._begin(work, stage)
            await work.tell(f" ---> {draft.image[SHORT]}\n")
            for instruction in stage.steps:
                number += 1
                await work.tell(f"Step {number}/{total} : {instruction.original}\n")
                await self._step(work, draft, instruction)
                await work.tell(f" ---> {draft.image[SHORT]}\n")
            image_id = draft.image
            work.stages |= {name: image_id for name in (str(index), stage.name) if name}
            if image_id:
                await work.say({"aux": {"ID": image_id}})
        return image_id

    async def _begin(self, work: Work, stage: Stage) -> Draft:
        """FROM: what the stage stands on, and the triggers in it."""
        work.arguments.open_stage()
        before = work.arguments.before()
        base, platform = (_expand(text, before, work.escape) for text in (stage.base, stage.platform))
        if not base:
            raise Invalid(what=f"base name ({stage.base}) should not be blank", why="")
        draft = Draft()
        if base != SCRATCH:
            known = work.stages.get(base.lower())
            image = work.want(known) if known else await work.base(base, platform)
            document = work.document(image)
            draft = Draft(dict(document.get("config") or {}), document.get("author") or "", image.id)
        work.beneath = draft.image
        triggers = draft.config.pop("OnBuild", None) or []
        if "PATH" not in draft.environment:
            draft.set_environment({"PATH": PATH})
        if triggers:
            await work.tell(f"# Executing {len(triggers)} build trigger{'s' if len(triggers) > 1 else ''}\n")
            for text in triggers:
                await self._step(work, draft, instruction_of(split(text)))
        return draft

    async def _step(self, work: Work, draft: Draft, instruction: Instruction) -> None:
        try:
            await self._carry_out(work, draft, instruction)
        except DockerfileError as error:
            raise Invalid(what=str(error), why="") from error

    async def _carry_out(self, work: Work, draft: Draft, instruction: Instruction) -> None:
        keyword = instruction.keyword
        if keyword == "RUN":
            await self.runner.run(work, draft, instruction)
        elif keyword in ("COPY", "ADD"):
            await copy(work, draft, instruction)
        elif keyword == "WORKDIR":
            await work_in(work, draft, instruction)
        else:
            created_by = self._changed(work, draft, instruction)
            step = work.step_of(draft, created_by)
            if not await work.find_cached(draft, step):
                await work.commit(draft, created_by, step)

    def _changed(self, work: Work, draft: Draft, instruction: Instruction) -> str:
        if is_change(instruction.keyword):
            return change(draft, instruction, work.variables(draft), work.escape)
        told = []
        for name, default in instruction.pairs:
            value = None if default is None else _expand(default, work.variables(draft), work.escape)
            work.arguments.declare(name, value)
            told.append(name if value is None else f"{name}={value}")
        return nothing(f"ARG {' '.join(told)}")

    def _cached(self, options: BuildOptions) -> frozenset[str] | None:
        """With cache_from: those images and what they were built upon."""
        if options.cache_from is None:
            return None
        found: set[str] = set()
        for reference in options.cache_from:
            image = self.dock.images.find(reference)
            while image is not None and image.id not in found:
                found.add(image.id)
                image = self.dock.images.find(image.parent) if image.parent else None
        return frozenset(found)


def _read_blocking(context: str, name: str) -> str:
    """The Dockerfile; what .dockerignore says of it and of itself is carried out. Raises Invalid, Unavailable."""
    text = None
    for candidate in (name, "dockerfile") if name == DEFAULT_DOCKERFILE else (name,):
        try:
            file = Path(real_path_blocking(context, candidate))
            if file.stat().st_size > DOCKERFILE_BYTES_MAX:
                raise Invalid(what=f"the Dockerfile ({name}) is too large", why="")
            text, name = file.read_text("utf-8"), candidate
            break
        except UnicodeDecodeError as error:
            raise Invalid(what="dockerfile parse error", why=str(error)) from error
        except OSError:
            continue
    if text is None:
        raise Unavailable(what=f"Cannot locate specified Dockerfile: {name}", why="", status=500)
    if not text.strip():
        raise Invalid(what=f"the Dockerfile ({name}) cannot be empty", why="")
    _hide_blocking(context, name)
    return text


def _hide_blocking(context: str, dockerfile: str) -> None:
    try:
        patterns = read_ignore(Path(real_path_blocking(context, ".dockerignore")).read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return
    for name in (dockerfile, ".dockerignore"):
        if is_ignored(name.strip("/"), patterns):
            Path(real_path_blocking(context, name)).unlink(missing_ok=True)


def _labelled(dockerfile: Dockerfile, options: BuildOptions) -> Dockerfile:
    """The caller's labels as the last instructions."""
    last = dockerfile.stages[-1]
    more = [
        Instruction(
            "LABEL", f"{name}={value}", f"LABEL {name}={value}", 0, (), False, ((_literal(name), _literal(value)),)
        )
        for name, value in sorted(options.labels.items())
    ]
    stages = [*dockerfile.stages[:-1], replace(last, steps=[*last.steps, *more])]
    return Dockerfile(dockerfile.arguments, stages, dockerfile.escape)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _expand(text: str, variables: dict[str, str], escape: str) -> str:
    try:
        return expand(text, variables, escape)
    except DockerfileError as error:
        raise Invalid(what=f'failed to process "{text}"', why=str(error)) from error


def _tag(text: str) -> str:
    """A reference to tag with, as Docker shows it. Raises Invalid."""
    try:
        reference = parse_reference(text)
    except ValueError as error:
        raise Invalid(what="invalid reference format", why="") from error
    if reference.digest:
        raise Invalid(what="build tag cannot contain a digest", why="")
    return f"{reference.familiar_name}:{reference.tag or 'latest'}"
