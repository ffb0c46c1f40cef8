"""maru: the lines of every container of this node, with what is known of its Pod or docker container.

Lines are read from the files that `kubectl logs` and `docker logs` read, from their beginning, pieces
that were rotated away included. A position counts once the index has the line: after a crash lines come
again rather than not at all. A slow index slows this reader, never the container.
Source: the kubelet's CRI logging design document.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.inputs.shape import Dress, Emit
from maru.components.pipelines.engine.tailing import Tailed, Tails
from maru.components.pipelines.model.container_lines import LineParts, docker_fields, pod_fields
from maru.components.pipelines.model.event import Event, copied
from maru.components.pipelines.model.options import InputOptions, options_of
from maru.core.document import Document, Resource, Value
from maru.core.informer import Informer
from maru.kinds.resources import CUSTOMRESOURCEDEFINITIONS, PODS
from maru.wire.logstash.syntax import Plugin

LOOK_S = 0.25
FIND_S = 0.5
SAVE_S = 1.0
KNOWN_S = 2.0  # how long lines wait for what is known of their container; an informer may be a moment behind
BY_UID = "uid"
CONTAINERS = Resource("engine.maru.dev", "v1", "containers", "Container", namespaced=False)
CONTAINERS_DEFINITION = "containers.engine.maru.dev"


class ContainerOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """namespaces: empty for all; docker: docker containers, too."""

    namespaces: Sequence[str] = ()
    docker: bool = True


class Containers:
    """All log files of this node's containers; at most one such input runs in a platform."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, ContainerOptions, "input")
        self._ground = ground
        self._dress = Dress(self._options)
        self._pods = ground.informers.of(PODS, fields=f"spec.nodeName={ground.site.node_name}")
        self._pods.index(BY_UID, lambda pod: [str(pod.metadata.get("uid", ""))])
        self._kinds = ground.informers.of(CUSTOMRESOURCEDEFINITIONS, fields=f"metadata.name={CONTAINERS_DEFINITION}")
        self._docker: Informer | None = None  # once there is such a kind: a platform without docker has none
        self._parts: dict[str, LineParts] = {}
        self._about: dict[str, Mapping[str, object]] = {}
        self._met_s: dict[str, float] = {}

    async def run(self, emit: Emit) -> None:
        folder = self._ground.site.folder("pipelines")
        tails = Tails(folder / "containers.json", from_start=True)
        await asyncio.to_thread(tails.open_blocking)
        await self._pods.wait_synced()
        clock = self._ground.clock
        found_s = saved_s = float("-inf")
        try:
            while True:
                now_s = clock.monotonic_s()
                if now_s - found_s >= FIND_S:
                    files = await asyncio.to_thread(lambda: tails.find_blocking(self._paths_blocking()))
                    self._forget(files)
                    found_s = now_s
                if now_s - saved_s >= SAVE_S:
                    await self._save(tails)
                    saved_s = now_s
                counts = [await self._give(tails, file, emit) for file in await asyncio.to_thread(tails.grown_blocking)]
                if not any(counts):
                    await clock.sleep(LOOK_S)
        finally:
            await asyncio.shield(self._save(tails))
            await asyncio.to_thread(tails.close_blocking)

    def _paths_blocking(self) -> Sequence[Path]:
        """Live files and rotated pieces."""
        site = self._ground.site
        paths = [
            path
            for pod in _inside(site.folder("node") / "pods")
            if not self._options.namespaces or Path(pod).name.split("_")[0] in self._options.namespaces
            for container in _inside(pod)
            for path in _inside(container)
            if ".log" in path
        ]
        if self._options.docker:
            folder = site.folder("docker")
            holders = [*_inside(folder), *_inside(folder / "containers")]
            paths += [path for holder in holders for path in _inside(holder) if "-json.log" in path]
        return [Path(path) for path in paths]

    async def _give(self, tails: Tails, file: Tailed, emit: Emit) -> int:
        about = dict(self._known(file))
        if file.inode not in self._about:
            now_s = self._ground.monotonic_s()
            if now_s - self._met_s.setdefault(file.inode, now_s) < KNOWN_S:
                return 0
        lines = await asyncio.to_thread(tails.read_blocking, file)
        if not lines:
            return 0
        parts = self._parts.setdefault(file.inode, LineParts())
        now = self._ground.now()
        events: list[Event] = []
        for line, end in lines:
            mark = file.mark(end)
            fields = parts.whole(line)
            if fields is None:
                mark.safe()
                continue
            event = self._dress.event({**fields, **copied(about)}, now, mark)
            event.metadata["container_log"] = True
            events.append(event)
        await emit(events)
        return len(lines)

    def _known(self, file: Tailed) -> Mapping[str, object]:
        """What is known of the file's container; asked again until it is known well."""
        kept = self._about.get(file.inode)
        if kept is not None:
            return kept
        node = self._ground.site.node_name
        path = {"log": {"file": {"path": str(file.path)}}}
        if file.path.name.split(".")[0].endswith("-json"):
            container_id = file.path.name.split("-json")[0]
            document = self._container(container_id[:12])
            about: Value = docker_fields(document.value["spec"], node) if document is not None else {}
            is_known = document is not None
            about.setdefault("container", {"id": container_id})
        else:
            namespace, name, uid = (*file.path.parts[-3].split("_"), "", "")[:3]
            pod = self._pod(uid)
            found = pod.value if pod is not None else {"metadata": {"namespace": namespace, "name": name, "uid": uid}}
            about = pod_fields(found, file.path.parts[-2], node)
            is_known = "container" in about
        if is_known:
            self._about[file.inode] = {**about, **path}
        return {**about, **path}

    def _container(self, name: str) -> Document | None:
        definition = self._kinds.get("", CONTAINERS_DEFINITION)
        if self._docker is None and definition is not None and _is_served(definition):
            self._docker = self._ground.informers.of(CONTAINERS)
        return self._docker.get("", name) if self._docker is not None else None

    def _pod(self, uid: str) -> Document | None:
        found = self._pods.by_index(BY_UID, uid)
        return found[0] if found else None

    def _forget(self, files: Sequence[Tailed]) -> None:
        here = {file.inode for file in files}
        for kept in (self._parts, self._about, self._met_s):
            for inode in [inode for inode in kept if inode not in here]:
                del kept[inode]

    async def _save(self, tails: Tails) -> None:
        try:
            await asyncio.to_thread(tails.save_blocking)
        except OSError as error:
            self._ground.log.warning("positions of container logs cannot be kept", error=str(error))


def _is_served(definition: Document) -> bool:
    conditions = definition.value.get("status", {}).get("conditions", [])
    return any(one.get("type") == "Established" and one.get("status") == "True" for one in conditions)


def _inside(folder: Path | str) -> Sequence[str]:
    """The paths in a folder, none where there is no such folder: a glob takes ten times as long, twice a second."""
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries]
    except OSError:
        return ()
