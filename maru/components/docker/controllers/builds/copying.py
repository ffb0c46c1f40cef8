"""COPY, ADD and WORKDIR: what changes files without running anything.

Source: docs.docker.com/reference/dockerfile; moby builder/dockerfile/copy.go (wording).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from maru.components.docker.controllers.builds.work import Work
from maru.components.docker.engine.builds.context import (
    Found,
    NoSuchSource,
    combined,
    find_blocking,
    real_path_blocking,
)
from maru.components.docker.engine.builds.copying import Owner, copy_blocking, folder_blocking, is_archive_blocking
from maru.components.docker.engine.download import fetch, file_name
from maru.components.docker.engine.tar_process import TarProcess
from maru.components.docker.engine.users import user_in_blocking
from maru.components.docker.model.builds.config import Draft, expanded, nothing
from maru.core.errors import Invalid, MaruError, NotSupported
from maru.linux.files import reason_of
from maru.wire.dockerfile.instructions import Instruction
from maru.wire.dockerfile.lines import opened
from maru.wire.dockerfile.words import expand

READ_BYTES = 1 << 20
_KNOWN = frozenset({"from", "chown", "chmod"})


async def copy(work: Work, draft: Draft, instruction: Instruction) -> None:
    """COPY and ADD. Raises Invalid, NotFound, NotSupported."""
    refuse_flags(instruction, _KNOWN)
    variables = work.variables(draft)
    *sources, target = expanded(instruction.words, variables, work.escape)
    flags = {name: expand(value, variables, work.escape) for name, value in instruction.flags.items()}
    try:
        async with AsyncExitStack() as stack:
            origin = work.context
            if flags.get("from"):
                origin = await stack.enter_async_context(work.laid_out(await _origin(work, flags["from"])))
            found = await _found(work, instruction, (origin, sources), variables)
            if len(found) > 1 and not target.endswith("/"):
                more = "more than one source file, the destination must be a directory and end with a /"
                raise Invalid(what=f"When using {instruction.keyword} with {more}", why="")
            given = "".join(f"--{name}={flags[name]} " for name in ("chown", "chmod") if flags.get(name))
            created_by = nothing(f"{instruction.keyword} {given}{combined(found)} in {target} ").replace(
                "#(nop)  ", "#(nop) "
            )
            step = work.step_of(draft, created_by)
            if await work.find_cached(draft, step):
                return
            async with work.laid_out(draft.image) as root:
                owner = await asyncio.to_thread(_owner_blocking, root, flags.get("chown", ""), flags.get("chmod", ""))
                owner = replace(owner, is_kept=bool(flags.get("from")) and not flags.get("chown"))
                for each in found:
                    await _put(
                        each,
                        root,
                        draft.below(target),
                        owner,
                        is_unpacked=instruction.keyword == "ADD" and not each.is_remote,
                    )
                await work.commit(draft, created_by, step, await work.layer_of(root))
    except OSError as error:
        raise Invalid(what=f"{instruction.keyword} failed", why=reason_of(error)) from error


async def work_in(work: Work, draft: Draft, instruction: Instruction) -> None:
    """WORKDIR: the folder is made if it is not there."""
    asked = expand(instruction.text, work.variables(draft), work.escape)
    if not asked:
        raise Invalid(what="cannot normalize nothing", why="")
    path = draft.below(asked).rstrip("/") or "/"
    draft.config["WorkingDir"] = path
    created_by = nothing(f"WORKDIR {path}")
    step = work.step_of(draft, created_by)
    if await work.find_cached(draft, step):
        return
    async with work.laid_out(draft.image) as root:
        try:
            is_there = await asyncio.to_thread(_has_folder_blocking, root, path)
            if not is_there:
                owner = await asyncio.to_thread(_owner_blocking, root, draft.config.get("User") or "", "")
                await asyncio.to_thread(folder_blocking, root, path, owner)
        except OSError as error:
            raise Invalid(what=f"Cannot mkdir: {path}", why=reason_of(error)) from error
        await work.commit(draft, created_by, step, "" if is_there else await work.layer_of(root))


def refuse_flags(instruction: Instruction, known: frozenset[str]) -> None:
    """Raises Invalid for what BuildKit alone does."""
    for name in instruction.flags:
        if name not in known:
            more = "Refer to https://docs.docker.com/go/buildkit/ to learn how to build images with BuildKit enabled"
            raise Invalid(what=f"the --{name} option requires BuildKit. {more}", why="")


async def _origin(work: Work, name: str) -> str:
    """The image that --from means: a stage by name or number, else an image by name."""
    known = work.stages.get(name.lower())
    if known is not None:
        return known
    if name.isdigit():
        raise Invalid(what=f"invalid from flag value {name}", why="invalid stage index")
    try:
        return (await work.base(name, "")).id
    except MaruError as error:
        raise type(error)(what=f"invalid from flag value {name}", why=str(error)) from error


async def _found(
    work: Work, instruction: Instruction, wanted: tuple[str, Sequence[str]], variables: dict[str, str]
) -> list[Found]:
    origin, sources = wanted
    documents = {document.name: document for document in instruction.documents}
    found: list[Found] = []
    for source in sources:
        document = next((documents[name] for name, _, _ in opened(source) if name in documents), None)
        if document is not None:
            folder = work.new_path("")
            text = document.text if document.is_literal else _filled(document.text, variables)
            await asyncio.to_thread(_write_blocking, str(folder), document.name, text)
            found += await asyncio.to_thread(find_blocking, str(folder), document.name)
            continue
        if instruction.keyword == "ADD" and source.startswith(("git@", "git://")):
            raise NotSupported(what=f"ADD {source}", why="the classic builder clones nothing", fix="clone it in a RUN")
        if instruction.keyword == "ADD" and source.startswith(("http://", "https://")):
            found.append(await _fetched(work, source))
            continue
        try:
            found += await asyncio.to_thread(find_blocking, origin, source)
        except NoSuchSource as error:
            where = "" if origin != work.context else "file not found in build context or excluded by .dockerignore: "
            words = f"{where}stat {source.lstrip('/') if where else source}: file does not exist"
            raise Invalid(what=f"{instruction.keyword} failed", why=words, status=500) from error
    if not found:
        raise Invalid(what=f"{instruction.keyword} failed", why="no source files were specified", status=500)
    return found


async def _fetched(work: Work, address: str) -> Found:
    """A file from an address, for nobody else to read."""
    folder = work.new_path("")
    try:
        name = file_name(address)
        await asyncio.to_thread(folder.mkdir)
        await work.tell(f"Downloading {address}\n")
        await fetch(address, folder / name)
    except MaruError as error:
        raise type(error)(what=f"ADD failed: {error}", why="", status=error.details.get("status", 500)) from error
    await asyncio.to_thread((folder / name).chmod, 0o600)
    (found,) = await asyncio.to_thread(find_blocking, str(folder), name)
    return replace(found, is_remote=True)


async def _put(found: Found, root: str, target: str, owner: Owner, *, is_unpacked: bool) -> None:
    if not (is_unpacked and await asyncio.to_thread(is_archive_blocking, found.path)):
        await asyncio.to_thread(copy_blocking, found, root, target, owner)
        return
    await asyncio.to_thread(folder_blocking, root, target, Owner())
    async with TarProcess("unpack", root, target, "0", "") as process:
        with open(found.path, "rb") as file:  # noqa: PTH123 - it is read in a thread
            while chunk := await asyncio.to_thread(file.read, READ_BYTES):
                if not await process.write(chunk):
                    break
        process.end_input()
        await process.finish()


def _filled(text: str, variables: dict[str, str]) -> str:
    """A document's text with variables; its quotes are text."""
    out = []
    for line in text.split("\n"):
        quoted = line.replace("\\", "\\\\").replace('"', '\\"').replace("\\\\$", "\\$")
        out.append(expand(f'"{quoted}"', variables))
    return "\n".join(out)


def _write_blocking(folder: str, name: str, text: str) -> None:
    Path(folder).mkdir(0o755)
    Path(folder, name).write_text(text, "utf-8")


def _has_folder_blocking(root: str, path: str) -> bool:
    try:
        return Path(real_path_blocking(root, path)).is_dir()
    except OSError:
        return False


def _owner_blocking(root: str, user: str, mode: str) -> Owner:
    """Raises Invalid in the builder's words."""
    if mode:
        try:
            number = int(mode, 8)
        except ValueError as error:
            raise Invalid(
                what=f"invalid chmod parameter: '{mode}'", why="it should be octal string and between 0 and 07777"
            ) from error
    else:
        number = None
    if not user:
        return Owner(mode=number)
    try:
        found = user_in_blocking(root, user, [])
    except Invalid as error:
        raise Invalid(what=f"unable to convert uid/gid chown string to host mapping: {error.what}", why="") from error
    name, _, group = user.partition(":")
    gid = found.gid if group or not name.isdigit() else int(name)
    return Owner(found.uid, gid, number)
