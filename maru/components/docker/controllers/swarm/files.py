"""Secrets and configs in the containers of tasks: files in memory, bound where the task's specification says.

They are written when the container starts and go with it; a secret that its store cannot open keeps the
container from starting. Source: Docker's documentation, "Manage sensitive data with Docker secrets", "Store
configuration data using Docker configs".
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.controllers.boxes import Box
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.swarm.agent import Agent, task_id_of
from maru.components.docker.controllers.swarm.membership import Membership
from maru.components.docker.controllers.swarm.shelves import Shelf
from maru.components.docker.engine.swarm_files import TaskFile, write_files_blocking
from maru.components.docker.model.oci_spec import Bind
from maru.components.docker.model.swarm.entries import Entry
from maru.components.docker.model.swarm.templates import Context, Lookup, expand
from maru.core.document import Value
from maru.core.errors import Invalid, NotFound

FOLDER, MODE = "swarm", 0o444


@dataclass(frozen=True, slots=True)
class Payloads:
    """Reads and keeps what secrets and configs hold."""

    membership: Membership

    def sealed(self, name: str, plain: bytes, noun: str) -> str:
        """For the document of a secret or a config."""
        return self.membership.seal(plain, f"{noun} {name}")

    def of(self, entry: Entry, noun: str) -> bytes:
        """Raises Broken, Unavailable."""
        sealed = entry.status.get("sealed")
        if not sealed:
            raise Invalid(what=f"{noun} {entry.name}", why="its document was not made by the Engine API")
        return self.membership.unseal(str(sealed), f"{noun} {entry.name}")


class TaskFiles:
    """Gives containers of tasks their files."""

    def __init__(self, dock: Dock, membership: Membership, agent: Agent) -> None:
        self._dock = dock
        self._membership = membership
        self._agent = agent
        self._payloads = Payloads(membership)

    async def binds_of(self, box: Box) -> Sequence[Bind]:
        """None for a container that is not a task's. Raises Invalid, NotFound, Unavailable."""
        entry = self._membership.shelves.tasks.get(task_id_of(box)) if task_id_of(box) else None
        if entry is None:
            return ()
        container = entry.spec.get("ContainerSpec") or {}
        shelves = self._membership.shelves
        files = [self._file(each, entry, shelves.secrets, "/run/secrets") for each in container.get("Secrets") or ()]
        files += [
            self._file(each, entry, shelves.configs, "") for each in container.get("Configs") or () if each.get("File")
        ]
        if not files:
            return ()
        folder = self._dock.folder_of(box.id) / FOLDER
        paths = await asyncio.to_thread(write_files_blocking, folder, files)
        return [Bind(path, file.target, ("bind", "rprivate", "ro")) for path, file in zip(paths, files, strict=True)]

    def _file(self, reference: Value, task: Entry, shelf: Shelf, root: str) -> TaskFile:
        noun = shelf.noun
        wanted = str(reference.get(f"{noun.capitalize()}ID") or "")
        entry = shelf.get(wanted)
        if entry is None:
            raise NotFound(what=f"{noun} {wanted} not found", why="")
        asked = reference.get("File") or {}
        name = str(asked.get("Name") or entry.name)
        target = name if name.startswith("/") else f"{root}/{name}"
        try:
            uid, gid = int(asked.get("UID") or 0), int(asked.get("GID") or 0)
        except ValueError as error:
            raise Invalid(what=f"{noun} {entry.name}: {error}", why="") from error
        mode = asked.get("Mode")
        return TaskFile(
            target, self._content(entry, noun, task), uid, gid, MODE if mode is None else int(mode) & 0o7777
        )

    def _content(self, entry: Entry, noun: str, task: Entry) -> bytes:
        plain = self._payloads.of(entry, noun)
        if (entry.spec.get("Templating") or {}).get("Name") != "golang":
            return plain
        context = self._agent.context_of(task)
        if context is None:
            raise NotFound(what="the service of the task", why="it is gone")
        try:
            return expand(plain.decode(), context, self._lookup(task, context)).encode()
        except (ValueError, UnicodeDecodeError) as error:
            raise Invalid(what=f"{noun} {entry.name}", why=str(error)) from error

    def _lookup(self, task: Entry, context: Context) -> Lookup:
        container = task.spec.get("ContainerSpec") or {}
        variables = dict(expand(str(each), context).partition("=")[::2] for each in container.get("Env") or ())

        def value(function: str, name: str) -> str:
            if function == "env":
                return variables.get(name, "")
            shelf = self._membership.shelves.secrets if function == "secret" else self._membership.shelves.configs
            for reference in container.get(f"{function.capitalize()}s") or ():
                if name in ((reference.get("File") or {}).get("Name"), reference.get(f"{function.capitalize()}Name")):
                    entry = shelf.get(str(reference[f"{function.capitalize()}ID"]))
                    if entry is not None:
                        return self._payloads.of(entry, function).decode()
            raise ValueError(f"{function} target {name} not found")

        return value


def decoded(text: str) -> bytes:
    """Data of a create. Raises Invalid."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Invalid(what=f"invalid data: {error}", why="") from error
