"""The acts of one Pod's worker: each does one thing, and writes down in the memory what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from maru.components.node.controllers.container_starter import (
    RuntimeRefused,
    StartOrder,
    prepare_container,
    process_path,
    run_container,
)
from maru.components.node.controllers.handlers import Target, run_handler
from maru.components.node.controllers.image_puller import ImagePuller
from maru.components.node.controllers.pod_memory import REASON_CRASH, PodMemory, ghost_of, target_ip
from maru.components.node.controllers.sandbox_maker import (
    folder_of,
    make_sandbox,
    pod_cgroup,
    remove_sandbox,
    set_up_volumes,
)
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.engine.last_words import last_words_blocking
from maru.components.node.engine.pod_folder import PodFolder
from maru.components.node.engine.volume_setup import Place, image_volume_blocking
from maru.components.node.errors import REASON_CREATE, MountFailed, StartFailed
from maru.components.node.model.backoff import raised
from maru.components.node.model.payload import references
from maru.components.node.model.plan import Start
from maru.components.node.model.resources import group_figures
from maru.components.node.model.view import (
    LABEL_MESSAGE_POLICY,
    Attempt,
    Container,
    Picture,
    Waiting,
    containers_of,
)
from maru.contracts.runtime import ContainerState
from maru.core.document import Value
from maru.core.errors import MaruError
from maru.core.log import Log
from maru.linux import cgroups
from maru.linux.sandbox_namespaces import is_held_blocking

CONFIG_RETRY_S = 5.0
PULL_RETRY_S = 2.0
RUN_RETRY_S = 2.0
MOUNT_RETRY_S = 0.5
MOUNT_RETRY_MAX_S = 122.0
HOOK_LIMIT_S = 3600.0
TEARDOWN_RETRY_S = 1.0
TEARDOWN_RETRY_MAX_S = 30.0


Seen = tuple[tuple[str, ...], Value | None, Value | None, bool]
"""What volumes were written from: versions of their sources, labels, annotations, a token due."""


class PodSteps:
    """Acts on one Pod. `wake` makes its worker look again."""

    def __init__(self, workshop: Workshop, memory: PodMemory, puller: ImagePuller, wake: Callable[[], None]) -> None:
        self._workshop = workshop
        self._memory = memory
        self._puller = puller
        self._wake = wake
        self._seen: Seen | None = None
        self._refresh_retry_at_s = 0.0
        self._log = Log("node")

    @property
    def _folder(self) -> PodFolder:
        return folder_of(self._workshop, self._memory.pod)

    async def load(self) -> None:
        """Take over the sandbox that an earlier run of Maru made; half-made ones are taken away."""
        sandbox = await asyncio.to_thread(self._folder.load_sandbox)
        if sandbox is None:
            return
        held = self._folder.namespaces(sandbox.id)
        if bool(sandbox.ips) and await asyncio.to_thread(_is_whole_blocking, held, sandbox.kinds):
            self._memory.sandbox = sandbox
            return
        await remove_sandbox(self._workshop, self._folder, sandbox)

    async def make_sandbox(self) -> None:
        """Volumes, then namespaces and network; failures become an Event and a later try."""
        memory, workshop = self._memory, self._workshop
        self._want_references()
        try:
            memory.volumes = await set_up_volumes(workshop, memory.pod, ())
            self._seen = self._fingerprint()
        except MaruError as error:
            self._sandbox_failed("FailedMount", str(error))
            return
        try:
            memory.sandbox = await make_sandbox(workshop, memory.allotted_pod)
            memory.figures = group_figures(memory.allotted_pod)
        except MaruError as error:
            self._sandbox_failed("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            return
        memory.sandbox_failures = 0
        memory.waiting.clear()
        if _wants_addresses(memory.pod):
            self._seen = None

    def _sandbox_failed(self, reason: str, message: str) -> None:
        memory = self._memory
        self._workshop.recorder.event(memory.pod, "Warning", reason, message)
        delay_s = min(MOUNT_RETRY_S * 2**memory.sandbox_failures, MOUNT_RETRY_MAX_S)
        memory.sandbox_failures = min(memory.sandbox_failures + 1, 10)
        memory.sandbox_retry_at_s = self._workshop.clock.monotonic_s() + delay_s

    def hurry(self) -> None:
        """Something it waited for has changed: try at once."""
        self._memory.sandbox_retry_at_s = 0.0
        self._refresh_retry_at_s = 0.0
        for name, entry in list(self._memory.waiting.items()):
            if entry.reason.endswith("ConfigError"):
                del self._memory.waiting[name]

    async def start(self, starts: Sequence[Start]) -> None:
        """One after another; what fails is written down and does not hold up the others."""
        memory = self._memory
        self._want_references()
        if memory.volumes is None:
            await self.refresh_volumes()
            if memory.volumes is None:
                return
        for start in starts:
            try:
                await self._start(start)
                memory.waiting.pop(start.container.name, None)
            except StartFailed as error:
                self._start_failed(start, error)
            self._wake()

    async def _start(self, start: Start) -> None:
        memory, workshop, name = self._memory, self._workshop, start.container.name
        assert memory.sandbox is not None and memory.volumes is not None
        hook = (start.container.spec.get("lifecycle") or {}).get("postStart")
        try:
            volumes = {**memory.volumes, **await self._image_volumes(start.container)}
            order = StartOrder(memory.allotted_pod, memory.sandbox, start.container, start.number, volumes)
            spec = await prepare_container(workshop, self._puller, order)
            if hook:
                memory.hooked.add(spec.id)
            await run_container(workshop, order, spec)
            self._count_restart(start)
            memory.waiting.pop(name, None)
            if hook:
                self._wake()
                await self._run_post_start(start, spec.id, hook)
        except RuntimeRefused:
            self._count_restart(start)
            raise
        finally:
            if hook:
                memory.hooked.clear()

    async def _image_volumes(self, container: Container) -> Mapping[str, Place]:
        """The images that the container mounts, fetched and stacked. Raises StartFailed with the pull's reason."""
        pod, places = self._memory.pod, {}
        mounted = {mount["name"] for mount in container.spec.get("volumeMounts") or ()}
        for volume in pod["spec"].get("volumes") or ():
            source = volume.get("image")
            if source is None or volume["name"] not in mounted:
                continue
            wanted = {"image": source.get("reference"), "imagePullPolicy": source.get("pullPolicy")}
            image = await self._puller.ensure(pod, Container(container.name, container.kind, wanted))
            layers = self._workshop.images.layer_paths(image)
            try:
                place = await asyncio.to_thread(image_volume_blocking, self._folder, volume["name"], layers)
            except MountFailed as error:
                raise StartFailed(REASON_CREATE, str(error)) from error
            places[volume["name"]] = place
        return places

    def _count_restart(self, start: Start) -> None:
        """The first start is free; every one after it makes the next wait longer."""
        if start.number > 0:
            crashes, name = self._memory.crashes, start.container.name
            crashes[name] = raised(crashes.get(name), self._workshop.clock.monotonic_s())

    async def _run_post_start(self, start: Start, container_id: str, hook: Value) -> None:
        memory, workshop = self._memory, self._workshop
        attempts = memory.attempts(workshop).get(start.container.name, [])
        attempt = next((entry for entry in attempts if entry.id == container_id), None)
        if attempt is None:
            return
        target = Target(memory.pod, start.container, attempt, target_ip(memory))
        outcome = await run_handler(workshop, target, hook, HOOK_LIMIT_S)
        if outcome.is_success:
            return
        message = f"PostStartHook failed: {outcome.output}"
        field_path = start.container.field_path
        workshop.recorder.event(memory.pod, "Warning", "FailedPostStartHook", message, field_path=field_path)
        workshop.recorder.event(memory.pod, "Normal", "Killing", "FailedPostStartHook", field_path=field_path)
        await workshop.runtime.kill(container_id, 9, all_processes=True)
        await workshop.runtime.wait(container_id)
        raise StartFailed("PostStartHookError", outcome.output)

    def _start_failed(self, start: Start, error: StartFailed) -> None:
        memory, workshop, name = self._memory, self._workshop, start.container.name
        now_s = workshop.clock.monotonic_s()
        if isinstance(error, RuntimeRefused):
            now = workshop.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            message = f"failed to create containerd task: failed to create shim task: {error.message}"
            ghosts = [ghost for ghost in memory.ghosts if ghost.name == name]
            for ghost in ghosts[:-1]:
                memory.ghosts.remove(ghost)
            memory.ghosts.append(ghost_of(memory, name, start.number, now, message))
            memory.waiting[name] = Waiting(error.reason, message, now_s + RUN_RETRY_S)
            return
        delay_s = CONFIG_RETRY_S
        if error.reason == "ErrImagePull":
            delay_s = PULL_RETRY_S
        elif error.reason == "ImagePullBackOff":
            delay_s = max(0.1, self._puller.retry_at_s(start.container.spec.get("image", "")) - now_s)
        memory.waiting[name] = Waiting(error.reason, error.message, now_s + delay_s)

    def announce_backoff(self, picture: Picture) -> None:
        """One Event per attempt that is followed by a wait."""
        memory, metadata = self._memory, self._memory.pod["metadata"]
        for container in containers_of(memory.pod):
            entry, newest = picture.waiting.get(container.name), picture.newest(container.name)
            if entry is None or entry.reason != REASON_CRASH or newest is None or newest.id in memory.announced:
                continue
            memory.announced.add(newest.id)
            where = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            message = f"Back-off restarting failed container {container.name} in pod {where}"
            self._workshop.recorder.event(memory.pod, "Warning", "BackOff", message, field_path=container.field_path)

    def discard(self, group: asyncio.TaskGroup, attempt: Attempt) -> None:
        """Take an old attempt away: its container, log and small files."""
        memory = self._memory
        if attempt.id.startswith("-"):
            memory.ghosts = [ghost for ghost in memory.ghosts if ghost.id != attempt.id]
            return
        if f"discard {attempt.id}" in memory.announced:
            return
        memory.announced.add(f"discard {attempt.id}")
        group.create_task(self._discard(attempt), name=f"discard {attempt.name}")

    async def _discard(self, attempt: Attempt) -> None:
        await self._workshop.runtime.remove(attempt.id)
        if attempt.state is ContainerState.EXITED:
            await asyncio.to_thread(_forget_files_blocking, self._folder, attempt.name, attempt.number)
        self._memory.messages.pop(attempt.id, None)
        self._memory.announced -= {attempt.id, f"discard {attempt.id}"}
        self._wake()

    async def learn_messages(self) -> None:
        """Read the last words of every attempt that has exited since."""
        memory = self._memory
        for attempts in memory.attempts(self._workshop).values():
            for attempt in attempts:
                if not attempt.is_exited or attempt.id in memory.messages or attempt.id.startswith("-"):
                    continue
                policy = attempt.labels.get(LABEL_MESSAGE_POLICY, "File")
                log_path = attempt.log_path if policy == "FallbackToLogsOnError" and attempt.exit_code else ""
                path = self._folder.message(attempt.name, attempt.number)
                memory.messages[attempt.id] = await asyncio.to_thread(last_words_blocking, path, log_path)

    def is_stale(self) -> bool:
        """True when what the volumes were written from has changed."""
        return self._seen != self._fingerprint() and self._refresh_retry_at_s <= self._workshop.clock.monotonic_s()

    def refresh_at_s(self) -> float | None:
        """When volumes have to be looked at again though nothing has changed. Monotonic."""
        renew_at_s = self._workshop.tokens.renew_at_s(self._memory.uid)
        if self._refresh_retry_at_s > self._workshop.clock.monotonic_s():
            return self._refresh_retry_at_s
        return renew_at_s

    async def refresh_volumes(self) -> None:
        """Bring written volumes up to date."""
        memory = self._memory
        self._want_references()
        seen = self._fingerprint()
        ips = memory.sandbox.ips if memory.sandbox is not None else ()
        try:
            memory.volumes = await set_up_volumes(self._workshop, memory.pod, tuple(ips))
        except MountFailed as error:
            self._workshop.recorder.event(memory.pod, "Warning", "FailedMount", str(error))
            self._refresh_retry_at_s = self._workshop.clock.monotonic_s() + 10.0
            return
        # A token that was due has been renewed by now; everything else that changed meanwhile is read again.
        self._seen = (*seen[:3], False)

    def _want_references(self) -> None:
        metadata = self._memory.pod["metadata"]
        names = {(kind, metadata["namespace"], name) for kind, name in references(self._memory.pod)}
        for entry in self._memory.pod["spec"].get("imagePullSecrets") or ():
            if entry.get("name"):
                names.add(("secret", metadata["namespace"], entry["name"]))
        self._workshop.references.want(self._memory.uid, names)

    def _fingerprint(self) -> Seen:
        metadata = self._memory.pod["metadata"]
        names = sorted((kind, metadata["namespace"], name) for kind, name in references(self._memory.pod))
        versions = tuple(self._workshop.references.version(name) for name in names)
        renew_at_s = self._workshop.tokens.renew_at_s(self._memory.uid)
        is_due = renew_at_s is not None and renew_at_s <= self._workshop.clock.monotonic_s()
        return versions, metadata.get("labels"), metadata.get("annotations"), is_due

    async def tear_down(self) -> None:
        """Network, namespaces and volumes go; logs and ended containers stay until the Pod is gone."""
        delay_s = TEARDOWN_RETRY_S
        while True:
            try:
                sandbox = await asyncio.to_thread(self._folder.load_sandbox)
                if sandbox is not None:
                    await remove_sandbox(self._workshop, self._folder, sandbox)
                await self.learn_messages()
                await asyncio.to_thread(self._folder.remove_state_blocking)
            except (MaruError, OSError) as error:
                self._log.warning("will try again to tear down", pod=self._memory.uid, error=str(error))
                await self._workshop.clock.sleep(delay_s)
                delay_s = min(delay_s * 2, TEARDOWN_RETRY_MAX_S)
                continue
            self._memory.sandbox = None
            self._workshop.references.want(self._memory.uid, ())
            self._workshop.tokens.forget(self._memory.uid)
            return

    async def clean_up(self) -> None:
        """The Pod is gone: so are its containers and logs."""
        for attempts in self._memory.attempts(self._workshop).values():
            for attempt in attempts:
                if not attempt.id.startswith("-"):
                    await self._workshop.runtime.remove(attempt.id)
        await asyncio.to_thread(_remove_blocking, self._folder, pod_cgroup(self._workshop, self._memory.pod))


def _wants_addresses(pod: Value) -> bool:
    """True when a volume shows the Pod's own addresses, which are known only now."""
    return any("status." in msgspec.json.encode(volume).decode() for volume in pod["spec"].get("volumes") or ())


def _is_whole_blocking(held: Path, kinds: tuple[str, ...]) -> bool:
    return all(is_held_blocking(held / kind) for kind in kinds)


def _remove_blocking(folder: PodFolder, cgroup: str) -> None:
    folder.remove_logs_blocking()
    groups = cgroups.detect()
    groups.remove_empty(cgroup)
    groups.remove_empty(cgroup.rpartition("/")[0])


def _forget_files_blocking(folder: PodFolder, container: str, number: int) -> None:
    log = folder.log(container, number)
    for path in (*log.parent.glob(f"{number}.log*"), folder.message(container, number)):
        path.unlink(missing_ok=True)
    process_path(folder, container, number).unlink(missing_ok=True)
