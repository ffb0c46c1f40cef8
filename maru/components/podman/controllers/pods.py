"""Pods: containers that share the namespaces of an infra container.

A pod is a document; which containers are in it stands with the containers. The infra container does nothing
but hold the namespaces, so it is there before the others start.
Source: podman pkg/specgen/generate/pod_create.go, libpod/runtime_pod_linux.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from maru.components.podman.controllers.asking import Asking
from maru.components.podman.controllers.containers import Containers
from maru.components.podman.model.create import PodShare, create_body
from maru.components.podman.model.definitions import Pod
from maru.components.podman.model.inspect import View
from maru.components.podman.model.pods import PodView
from maru.components.podman.model.refused import has_something
from maru.components.podman.model.remembered import Remembered
from maru.core.clock import Clock, rfc3339
from maru.core.errors import AlreadyExists, Conflict, Invalid, MaruError, NotFound, NotSupported
from maru.core.ids import Ids
from maru.core.kept import Kept
from maru.wire.docker.names import is_name, name_for
from maru.wire.libpod.faults import NO_POD, WRONG_STATE
from maru.wire.libpod.spec import ContainerSpec, PodSpec

SHARED = ("ipc", "net", "uts")
HOLD = ("sleep", "infinity")
_REFUSED = "volumes_from resource_limits overlay_volumes"


@dataclass(frozen=True, slots=True)
class Needs:
    """What pods stand on."""

    asking: Asking
    containers: Containers
    kept: Kept[Pod]
    clock: Clock
    ids: Ids


class Pods:
    """All of them."""

    def __init__(self, needs: Needs) -> None:
        self._asking = needs.asking
        self._containers = needs.containers
        self._kept = needs.kept
        self._clock = needs.clock
        self._ids = needs.ids

    def names(self) -> Mapping[str, str]:
        """By id."""
        return {pod.id: pod.name for pod in self._kept.list()}

    def want(self, reference: str) -> Pod:
        """By name, id or the beginning of an id that only one has. Raises NotFound."""
        everything = self._kept.list()
        named = [pod for pod in everything if reference in (pod.name, pod.id)]
        found = named or [pod for pod in everything if reference and pod.id.startswith(reference)]
        if len(found) != 1:
            words = f"no pod with name or ID {reference} found"
            raise NotFound(what=f"{words}: {NO_POD}", why="", cause=NO_POD)
        return found[0]

    def share(self, reference: str) -> PodShare:
        """What a container in it gets. Raises NotFound."""
        pod = self.want(reference)
        return PodShare(pod.id, pod.infra, tuple(pod.shared))

    async def view(self, reference: str) -> PodView:
        """Raises NotFound."""
        pod = self.want(reference)
        return _with_members(pod, await self._containers.all())

    async def all(self) -> Sequence[PodView]:
        """Newest first."""
        containers = await self._containers.all()
        return [_with_members(pod, containers) for pod in sorted(self._kept.list(), key=lambda pod: pod.created)[::-1]]

    async def create(self, spec: PodSpec) -> Pod:
        """Raises Invalid, AlreadyExists, NotFound, NotSupported; nothing half made is left."""
        for name in _REFUSED.split():
            if has_something(getattr(spec, name)):
                raise NotSupported(what=f"{name} of a pod is not supported", why="", fix="leave it out")
        if spec.exit_policy not in ("", "continue"):
            raise NotSupported(what=f"exit policy {spec.exit_policy!r} is not supported", why="", fix="use continue")
        pod = Pod(
            id=(self._ids.uid() + self._ids.uid()).replace("-", ""),
            name=self._name(spec.name),
            created=rfc3339(self._clock.now()),
            labels=dict(spec.labels or {}),
            hostname=spec.hostname or spec.name,
            shared=_shared(spec),
            command=list(spec.pod_create_command or ()),
            restart_policy=spec.restart_policy,
            cgroup_parent=spec.cgroup_parent,
        )
        if not spec.no_infra:
            pod.infra = await self._create_infra(spec, pod)
        try:
            await self._kept.create({"metadata": {"name": pod.id[:32]}, "spec": msgspec.to_builtins(pod)})
        except BaseException:
            if pod.infra:
                await self._remove_container(pod.infra)
            raise
        return pod

    async def remove(self, view: PodView, *, is_forced: bool) -> Mapping[str, str]:
        """With all that is in it; an error by container id, "" for none. Raises Conflict."""
        others = [each for each in view.members if each.id != view.pod.infra]
        if not is_forced and any(each.is_running for each in others):
            words = f"pod {view.pod.id} has containers that are running"
            raise Conflict(what=f"{words}: {WRONG_STATE}", why="", cause=WRONG_STATE, status=500)
        removed = {}
        for each in [*others, *([view.infra] if view.infra is not None else [])]:
            await self._remove_container(each.id)
            removed[each.id] = ""
        await self._kept.delete("", view.pod.id[:32])
        return removed

    async def change(self, view: PodView, verb: str, query: Sequence[tuple[str, str]] = ()) -> Mapping[str, str]:
        """Ask the engine to start, stop and so on each container; what went wrong, by container id.

        The infra container is the first that is started, and the last for all else.
        """
        infra = [view.infra] if view.infra is not None else []
        others = [each for each in view.members if each.id != view.pod.infra]
        wrong = {}
        for each in [*infra, *others] if verb in ("start", "unpause", "restart") else [*others, *infra]:
            try:
                await self._asking.answer("POST", f"/containers/{each.id}/{verb}", query)
            except MaruError as error:
                wrong[each.id] = str(error)
        return wrong

    async def start_infra(self, remembered: Remembered) -> None:
        """Before a container in it starts. Raises what the engine says."""
        with suppress(NotFound):
            infra = self.want(remembered.pod).infra if remembered.pod else ""
            if infra and not remembered.is_infra:
                await self._asking.answer("POST", f"/containers/{infra}/start")

    def _name(self, wanted: str) -> str:
        taken = set(self.names().values())
        if wanted and not is_name(wanted):
            raise Invalid(what=f"pod name {wanted!r} must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument", why="")
        if wanted in taken:
            cause = "pod already exists"
            raise AlreadyExists(what=f"adding pod to state: name {wanted!r} is in use: {cause}", why="", cause=cause)
        attempt = 0
        while not wanted or wanted in taken:
            wanted, attempt = name_for(self._ids.fraction(), attempt), attempt + 1
        return wanted

    async def _create_infra(self, spec: PodSpec, pod: Pod) -> str:
        asked = {name: getattr(spec, name) for name in _PASSED.split()}
        infra = ContainerSpec(
            **asked,
            name=spec.infra_name or f"{pod.id[:12]}-infra",
            command=list(spec.infra_command or HOLD),
            hostname=pod.hostname or pod.name,
            stop_signal="SIGKILL",  # it holds namespaces, no more
        )
        if spec.infra_image:
            image = self._containers.engine_name(spec.infra_image)
        else:
            image = (await self._containers.images.build_base()).id
        remembered = Remembered(is_infra=True)
        body = create_body(infra, image, PodShare(pod.id), remembered)
        body["HostConfig"]["IpcMode"] = body["HostConfig"]["IpcMode"] or "shareable"
        return await self._asking.create(body, infra.name)

    async def _remove_container(self, container_id: str) -> None:
        with suppress(NotFound):
            await self._asking.answer("DELETE", f"/containers/{container_id}", [("force", "1"), ("v", "1")])


_PASSED = (
    "netns pidns ipcns utsns userns portmappings networks cni_networks static_ip static_mac dns_server "
    "dns_search dns_option hostadd mounts volumes sysctl cgroup_parent"
)


def _shared(spec: PodSpec) -> list[str]:
    asked = spec.shared_namespaces
    if asked is None or asked == [""]:
        return [] if spec.no_infra else list(SHARED)
    words = [word for text in asked for word in text.split(",") if word and word != "none"]
    for word in words:
        if word not in ("ipc", "net", "uts", "pid"):
            raise NotSupported(what=f"a pod's {word} namespace is not shared", why="", fix="share ipc, net, uts or pid")
    return words


def _with_members(pod: Pod, containers: Sequence[View]) -> PodView:
    members = [each for each in containers if each.remembered.pod == pod.id]
    return PodView(pod, sorted(members, key=lambda each: (each.id != pod.infra, each.engine["Created"])))
