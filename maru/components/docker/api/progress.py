"""Progress as Docker's clients read it: one JSON object per line, an error as the last of them.

Source: Docker Engine API v1.47, ImageCreate; moby's jsonmessage format.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec

from maru.contracts.image_store import Image, Progress, RegistryAuth
from maru.core.document import Value
from maru.core.errors import Invalid, MaruError, NotFound
from maru.wire.oci.reference import Reference, parse_reference


async def as_lines(values: AsyncIterator[Value]) -> AsyncIterator[bytes]:
    """Each value as a line; a failure becomes the last line, since the status is sent already."""
    try:
        async for value in values:
            yield msgspec.json.encode(value) + b"\r\n"
    except MaruError as error:
        yield msgspec.json.encode({"errorDetail": {"message": str(error)}, "error": str(error)}) + b"\r\n"
    finally:
        await _close(values)


async def pulled_lines(
    first: Sequence[Progress], rest: AsyncIterator[Progress], reference: str
) -> AsyncIterator[Value]:
    """The steps of a pull, those already taken first."""
    try:
        for step in first:
            yield _step(step)
        async for step in rest:
            yield _step(step)
    finally:
        await _close(rest)


async def rejoined(first: Value, rest: AsyncIterator[Value]) -> AsyncIterator[Value]:
    """A value that was taken already, and the others."""
    try:
        yield first
        async for value in rest:
            yield value
    finally:
        await _close(rest)


async def pushed_lines(
    repository: Reference, pushes: Sequence[tuple[str, AsyncIterator[Progress]]]
) -> AsyncIterator[Value]:
    """The steps of pushes of one repository, one after the other, each with what it came to."""
    yield {"status": f"The push refers to repository [{repository.name}]"}
    if not pushes:
        words = f"An image does not exist locally with the tag: {repository.familiar_name}"
        raise NotFound(what=words, why="", fix="")
    for name, steps in pushes:
        try:
            async for step in steps:
                if step.digest:
                    yield {"status": step.status}
                    tag = parse_reference(name).tag
                    aux = {"Tag": tag, "Digest": step.digest, "Size": step.total_bytes}
                    yield {"progressDetail": {}, "aux": aux}
                else:
                    yield _step(step)
        finally:
            await _close(steps)


async def loaded_lines(steps: AsyncIterator[Progress], upload: Path) -> AsyncIterator[Value]:
    """The steps of a load; the uploaded archive goes with the end."""
    try:
        async for step in steps:
            yield {"stream": f"{step.status}\n"}
    finally:
        await _close(steps)
        await asyncio.to_thread(upload.unlink, missing_ok=True)


async def base_lines(image: Image, names: Sequence[str]) -> AsyncIterator[Value]:
    """What was built, and under which names."""
    yield {"stream": f"Successfully built {image.id[7:19]}\n"}
    for name in names:
        yield {"stream": f"Successfully tagged {name}\n"}


def credentials(header: str) -> RegistryAuth | None:
    """X-Registry-Auth: base64url of a JSON object. None when there is none. Raises Invalid."""
    if not header:
        return None
    try:
        text = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
        given: Value = msgspec.json.decode(text) if text.strip() else {}
        return RegistryAuth(
            str(given.get("username") or ""),
            str(given.get("password") or ""),
            str(given.get("identitytoken") or ""),
        )
    except (binascii.Error, msgspec.DecodeError, AttributeError, ValueError) as error:
        raise Invalid(what="X-Registry-Auth", why=str(error), fix="send base64url of a JSON object") from error


def _step(step: Progress) -> Value:
    line: Value = {"status": step.status}
    if step.layer:
        line["id"] = step.layer
    line["progressDetail"] = {"current": step.done_bytes, "total": step.total_bytes} if step.total_bytes else {}
    return line


async def _close(steps: AsyncIterator[object]) -> None:
    close = getattr(steps, "aclose", None)
    if close is not None:
        await close()
