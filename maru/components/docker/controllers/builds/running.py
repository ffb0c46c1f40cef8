"""RUN: a container of the image so far, its output told as it comes, its changes made a layer.

Source: docs.docker.com/reference/dockerfile, "RUN"; moby builder/dockerfile/containerbackend.go.
"""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from maru.components.docker.controllers.boxes import Box, Waiter
from maru.components.docker.controllers.builds.copying import refuse_flags
from maru.components.docker.controllers.builds.work import Work
from maru.components.docker.controllers.creating import Creating
from maru.components.docker.controllers.ending import Ending
from maru.components.docker.controllers.starting import Starting
from maru.components.docker.engine.builds.secrets import laid_out_blocking, missing_blocking, remove_blocking
from maru.components.docker.model.builds.config import Draft
from maru.components.docker.model.builds.secrets import SecretMount, wanted
from maru.contracts.runtime import Session
from maru.core.document import Value
from maru.core.errors import Invalid, MaruError, NotFound, NotSupported
from maru.wire.dockerfile.instructions import Instruction

STDERR = 2
_RED, _PLAIN = "\x1b[91m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs the containers of builds."""

    creating: Creating
    starting: Starting
    ending: Ending

    async def run(self, work: Work, draft: Draft, instruction: Instruction) -> None:
        """One RUN. Raises Invalid when it fails, with its exit code."""
        # The Engine API's own callers offer no secrets, and are told as by the classic builder.
        refuse_flags(instruction, frozenset() if work.options.secrets is None else frozenset({"mount"}))
        mounts = wanted(instruction.flags["mount"].split("\n")) if "mount" in instruction.flags else ()
        if not draft.image:
            raise Invalid(what="Please provide a source image with `from` prior to run", why="")
        words = _words(draft, instruction)
        declared = work.arguments.declared()
        arguments = sorted(f"{name}={value}" for name, value in declared.items() if name not in draft.environment)
        prefix = f"|{len(arguments)} {' '.join(arguments)} " if arguments else ""
        step = work.step_of(draft, "RUN", *arguments, "|", *words, *(str(mount) for mount in mounts))
        if await work.find_cached(draft, step):
            return
        box = await self._create(work, draft, words, await _laid_out(work, mounts))
        made = await asyncio.to_thread(missing_blocking, _root_of(work, box), [mount.target for mount in mounts])
        is_done = False
        try:
            await work.tell(f" ---> Running in {box.container.short_id}\n")
            code = await self._follow(work, box)
            if code != 0:
                words_told = f"The command '{' '.join(words)}' returned a non-zero code: {code}"
                raise Invalid(what=words_told, why="", code=code)
            root = _root_of(work, box)
            await asyncio.to_thread(remove_blocking, root, made)
            layer = await work.layer_of(root)
            await work.commit(draft, prefix + " ".join(words), step, layer)
            is_done = True
        finally:
            is_kept = not work.options.is_always_removed and not (is_done and work.options.is_removed)
            await asyncio.shield(self._let_go(box, is_kept=is_kept))
        if not is_kept:
            await work.tell(f" ---> Removed intermediate container {box.container.short_id}\n")

    async def _create(self, work: Work, draft: Draft, words: list[str], mounts: Sequence[Value]) -> Box:
        own = draft.environment
        more = [f"{name}={value}" for name, value in work.arguments.of_run().items() if name not in own]
        body = {
            "Image": draft.image,
            "Cmd": words,
            "Entrypoint": [""],
            "Env": [*more, *(draft.config.get("Env") or ())],
            "Healthcheck": {"Test": ["NONE"]},
            "AttachStdout": True,
            "AttachStderr": True,
            "HostConfig": {**work.options.host_config, "Mounts": list(mounts)},
        }
        return await self.creating.create(body, "")

    async def _follow(self, work: Work, box: Box) -> int:
        waiter = Waiter(wants_stdin=False, session=asyncio.get_running_loop().create_future())
        box.waiters.append(waiter)
        ended = box.next_exit
        async with box.lock:
            await self.starting.start(box)
        session = await waiter.session
        try:
            await _pour(work, session)
        finally:
            await session.close()
        return await asyncio.shield(ended)

    async def _let_go(self, box: Box, *, is_kept: bool) -> None:
        if box.state.is_running:
            await self.ending.kill_now(box)
        if not is_kept:
            with suppress(MaruError):
                await self.ending.remove(box, with_volumes=True, is_forced=True)


def _root_of(work: Work, box: Box) -> str:
    status = work.dock.runtime.find(box.id)
    if status is None:
        raise NotFound(what=f"No such container: {box.id}", why="")
    return status.root_path


async def _laid_out(work: Work, mounts: Sequence[SecretMount]) -> list[Value]:
    """The mounts of secrets that were offered. Raises Invalid for one that is required and was not."""
    ids = list(work.options.secrets or ())
    found: list[Value] = []
    for mount in mounts:
        if mount.id not in ids:
            if mount.is_required:
                raise Invalid(what=f"secret required but no secret with id {mount.id!r} found", why="")
            continue
        source = work.folder / "secrets" / str(ids.index(mount.id))
        own = work.folder / "secrets" / work.dock.ids.uid()
        await asyncio.to_thread(laid_out_blocking, source, own, mount)
        found.append({"Type": "bind", "Source": str(own), "Target": mount.target, "ReadOnly": True})
    return found


async def _pour(work: Work, session: Session) -> None:
    decoders = {stream: codecs.getincrementaldecoder("utf-8")("replace") for stream in (1, STDERR)}
    async for stream, chunk in session.output():
        text = decoders[stream].decode(chunk)
        if text:
            await work.tell(f"{_RED}{text}{_PLAIN}" if stream == STDERR else text)


def _words(draft: Draft, instruction: Instruction) -> list[str]:
    """The command line; a here-document is the script itself, or goes to the shell with its line."""
    documents = instruction.documents
    if not documents or instruction.is_list:
        return draft.words_of(instruction)
    if len(documents) == 1 and len(instruction.text.split()) == 1 and instruction.text.startswith("<<"):
        if documents[0].text.startswith("#!"):
            raise NotSupported(
                what="RUN <<", why="a script with an interpreter of its own", fix="name it: RUN python3 <<EOF"
            )
        return [*draft.shell, documents[0].text]
    bodies = "".join(f"{document.text}{document.name}\n" for document in documents)
    return [*draft.shell, f"{instruction.text}\n{bodies}"]
