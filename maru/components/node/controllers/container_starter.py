"""One attempt of one container, from its image to its running process.

Source: pkg/kubelet/kuberuntime, startContainer: pull, create, start, post-start hook; the Events and
waiting reasons are the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from maru.components.node.controllers.image_puller import ImagePuller
from maru.components.node.controllers.sandbox_maker import folder_of, material_of, pod_cgroup, shared_memory
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.engine.devices import host_devices_blocking
from maru.components.node.engine.machine_figures import loaded_profiles_blocking
from maru.components.node.engine.pod_folder import PodFolder, Sandbox
from maru.components.node.engine.user_database import read_user_database_blocking
from maru.components.node.engine.volume_setup import Place, sub_path_blocking
from maru.components.node.errors import REASON_CONFIG, REASON_CREATE, REASON_RUN, StartFailed
from maru.components.node.model import view
from maru.components.node.model.environment import Sources, expand, variables
from maru.components.node.model.hosts import hostname_of
from maru.components.node.model.oci_spec import Blueprint, MountPoint, oci_spec
from maru.components.node.model.resizing import plain
from maru.components.node.model.resources import oom_score_adj
from maru.components.node.model.security import apparmor_name, capabilities_of, effective, is_privileged, user_of
from maru.contracts.image_store import Image
from maru.contracts.runtime import ContainerSpec
from maru.core.document import Value
from maru.core.errors import Invalid, MaruError
from maru.wire.oci.reference import parse_reference
from maru.wire.oci.seccomp import default_profile

MESSAGE_PATH = "/dev/termination-log"


@dataclass(frozen=True, slots=True)
class StartOrder:
    """What is to be started, in what, with which volumes."""

    pod: Value
    sandbox: Sandbox
    container: view.Container
    number: int
    volumes: Mapping[str, Place]


class RuntimeRefused(StartFailed):
    """The runtime could not start the command: the attempt counts as ended with `exit_code`."""

    exit_code = 128


async def prepare_container(workshop: Workshop, puller: ImagePuller, order: StartOrder) -> ContainerSpec:
    """What is to be created, with its image and files in place. Raises StartFailed."""
    image = await puller.ensure(order.pod, order.container)
    try:
        return await _prepare(workshop, order, image)
    except StartFailed as error:
        _event(workshop, order, "Warning", "Failed", f"Error: {error.message}")
        raise
    except (MaruError, OSError) as error:
        _event(workshop, order, "Warning", "Failed", f"Error: {error}")
        raise StartFailed(REASON_CONFIG, str(error)) from error


async def run_container(workshop: Workshop, order: StartOrder, spec: ContainerSpec) -> None:
    """Create and start. Cancelled, it still ends what it began: a container is never left half-made.

    Raises StartFailed (RuntimeRefused when the command cannot run).
    """
    running = asyncio.ensure_future(_run(workshop, order, spec))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait((running,))
        raise


async def _run(workshop: Workshop, order: StartOrder, spec: ContainerSpec) -> None:
    runtime = workshop.runtime
    try:
        await runtime.create(spec)
    except Invalid as error:
        _event(workshop, order, "Warning", "Failed", f"Error: {error.why}")
        raise RuntimeRefused(REASON_RUN, error.why) from error
    except MaruError as error:
        _event(workshop, order, "Warning", "Failed", f"Error: {error}")
        raise StartFailed(REASON_CREATE, str(error)) from error
    _event(workshop, order, "Normal", "Created", "Container created")
    try:
        await runtime.start(spec.id)
    except MaruError as error:
        _event(workshop, order, "Warning", "Failed", f"Error: {error}")
        await runtime.remove(spec.id)
        raise RuntimeRefused(REASON_RUN, str(error)) from error
    _event(workshop, order, "Normal", "Started", "Container started")


async def _prepare(workshop: Workshop, order: StartOrder, image: Image) -> ContainerSpec:
    container, folder = order.container, folder_of(workshop, order.pod)
    if container.spec.get("volumeDevices"):
        raise StartFailed(REASON_CONFIG, "volumeDevices: block volumes are not supported by this node")
    container_id = workshop.ids.uid().replace("-", "") + workshop.ids.uid().replace("-", "")
    blueprint = await _blueprint(workshop, order, image, f"{pod_cgroup(workshop, order.pod)}/{container_id}")
    spec = oci_spec(blueprint)
    log_path = folder.log(container.name, order.number)
    await asyncio.to_thread(_make_files_blocking, folder, order, spec["process"])
    return ContainerSpec(
        id=container_id,
        owner="pods",
        layers=workshop.images.layer_paths(image),
        image=image.id,
        spec=spec,
        log_path=str(log_path),
        terminal=bool(container.spec.get("tty")),
        stdin=bool(container.spec.get("stdin")),
        stdin_once=bool(container.spec.get("stdinOnce")),
        labels=_labels(order, image),
        runtime=order.sandbox.runtime,
    )


async def _blueprint(workshop: Workshop, order: StartOrder, image: Image, cgroup: str) -> Blueprint:
    pod, container, sandbox = order.pod, order.container, order.sandbox
    folder = folder_of(workshop, pod)
    material = await material_of(workshop, pod, sandbox.ips)
    services = [document.value for document in workshop.services.list()]
    sources = Sources(material.configmaps, material.secrets, services, material.around)
    names = variables(pod, container.spec, sources)
    database = await asyncio.to_thread(read_user_database_blocking, workshop.images.layer_paths(image))
    user = user_of(pod, container.spec, image.config.user, database)
    devices = await asyncio.to_thread(host_devices_blocking) if is_privileged(container.spec) else ()
    return Blueprint(
        pod=pod,
        container=container.spec,
        image=image.config,
        user=user,
        variables=names,
        hostname=hostname_of(pod, workshop.site.node_name, workshop.site.cluster_domain),
        namespaces=_namespaces(workshop, order, folder),
        cgroup=cgroup,
        mounts=await _mounts(workshop, order, folder, names),
        shm_path=await shared_memory(workshop, pod),
        oom_score_adj=oom_score_adj(pod, container.spec, workshop.machine.memory_bytes),
        seccomp=await _seccomp(workshop, pod, container.spec),
        apparmor=apparmor_name(pod, container.spec, await asyncio.to_thread(loaded_profiles_blocking)),
        devices=devices,
    )


def _namespaces(workshop: Workshop, order: StartOrder, folder: PodFolder) -> Mapping[str, str]:
    held = folder.namespaces(order.sandbox.id)
    spec = order.pod["spec"]
    found = {"mount": ""}
    for kind, oci in (("net", "network"), ("ipc", "ipc"), ("uts", "uts"), ("pid", "pid")):
        if kind in order.sandbox.kinds:
            found[oci] = str(held / kind)
    if not spec.get("hostPID"):
        found.setdefault("pid", "")
        target = order.container.spec.get("targetContainerName")
        if order.container.kind is view.Kind.EPHEMERAL and target and "pid" not in order.sandbox.kinds:
            pid = _pid_of(workshop, order.pod, target)
            if pid:
                found["pid"] = f"/proc/{pid}/ns/pid"
    else:
        found.pop("pid", None)
    if not is_privileged(order.container.spec):
        found["cgroup"] = ""
    return found


def _pid_of(workshop: Workshop, pod: Value, name: str) -> int:
    for status in workshop.runtime.list(owner="pods"):
        labels = status.labels
        is_wanted = (
            labels.get(view.LABEL_POD_UID) == pod["metadata"]["uid"] and labels.get(view.LABEL_CONTAINER) == name
        )
        if is_wanted and status.exit_code is None and status.pid:
            return status.pid
    return 0


async def _mounts(
    workshop: Workshop, order: StartOrder, folder: PodFolder, names: Mapping[str, str]
) -> Sequence[MountPoint]:
    container = order.container
    points = []
    for number, mount in enumerate(container.spec.get("volumeMounts") or ()):
        place = order.volumes.get(mount["name"])
        if place is None:
            raise StartFailed(
                REASON_CONFIG, f'cannot find volume "{mount["name"]}" to mount into container "{container.name}"'
            )
        path = place.path
        inner = mount.get("subPath") or expand(mount.get("subPathExpr") or "", names)
        if inner:
            path = await _sub_path(folder, place, inner, container.name, number)
        is_readonly = bool(mount.get("readOnly")) or place.is_readonly
        is_recursive = mount.get("recursiveReadOnly") in ("Enabled", "IfPossible")
        propagation = mount.get("mountPropagation") or ""
        points.append(MountPoint(str(path), mount["mountPath"], is_readonly, propagation, is_recursive))
    taken = {point.container_path for point in points}
    is_root_readonly = bool((container.spec.get("securityContext") or {}).get("readOnlyRootFilesystem"))
    own = [
        MountPoint(str(folder.state / "etc-hosts"), "/etc/hosts", is_root_readonly),
        MountPoint(str(folder.state / "resolv.conf"), "/etc/resolv.conf", is_root_readonly),
        MountPoint(str(folder.state / "hostname"), "/etc/hostname", is_root_readonly),
        MountPoint(str(folder.message(container.name, order.number)), message_path(container.spec)),
    ]
    return [*points, *(point for point in own if point.container_path not in taken)]


async def _sub_path(folder: PodFolder, place: Place, inner: str, container: str, number: int) -> Path:
    if inner.startswith("/") or ".." in inner.split("/"):
        raise StartFailed(REASON_CONFIG, f"subPath {inner!r} must be a relative path without '..'")
    try:
        return await asyncio.to_thread(sub_path_blocking, folder, place, inner, container, number)
    except OSError as error:
        message = f'failed to prepare subPath for volumeMount of container "{container}": {error}'
        raise StartFailed(REASON_CONFIG, message) from error


async def _seccomp(workshop: Workshop, pod: Value, container: Value) -> Value | None:
    if is_privileged(container):
        return None
    profile = effective(pod, container).get("seccompProfile") or {}
    kind = profile.get("type", "Unconfined")
    if kind == "RuntimeDefault":
        return default_profile(capabilities_of(container))
    if kind == "Localhost":
        path = workshop.site.folder("node") / "seccomp" / profile.get("localhostProfile", "")
        try:
            loaded: Value = msgspec.json.decode(await asyncio.to_thread(path.read_bytes))
        except (OSError, msgspec.DecodeError) as error:
            raise StartFailed(REASON_CREATE, f"cannot load seccomp profile {path}: {error}") from error
        return loaded
    return None


def message_path(container: Value) -> str:
    """Where the container leaves its last words."""
    return str(container.get("terminationMessagePath") or MESSAGE_PATH)


def _labels(order: StartOrder, image: Image) -> Mapping[str, str]:
    metadata, container = order.pod["metadata"], order.container
    signal = (container.spec.get("lifecycle") or {}).get("stopSignal") or image.config.stop_signal
    resources = msgspec.json.encode(plain(container.spec.get("resources"))).decode()
    return {
        view.LABEL_POD_NAME: metadata["name"],
        view.LABEL_POD_NAMESPACE: metadata["namespace"],
        view.LABEL_POD_UID: metadata["uid"],
        view.LABEL_CONTAINER: container.name,
        view.LABEL_ATTEMPT: str(order.number),
        view.LABEL_SANDBOX: order.sandbox.id,
        view.LABEL_IMAGE: container.spec.get("image", ""),
        view.LABEL_IMAGE_NAME: _image_name(container.spec.get("image", ""), image),
        view.LABEL_IMAGE_ID: image.digests[0] if image.digests else image.id,
        view.LABEL_STOP_SIGNAL: signal,
        view.LABEL_MESSAGE_POLICY: container.spec.get("terminationMessagePolicy") or "File",
        view.LABEL_RESOURCES: resources,
    }


def _image_name(wanted: str, image: Image) -> str:
    """The complete name the Pod means; another one of the image when it was named by digest or id."""
    name = parse_reference(wanted).tagged
    return name if name in image.names or not image.names else image.names[0]


def process_path(folder: PodFolder, container: str, number: int) -> Path:
    """Where the OCI process of an attempt is kept, for what is run in it later."""
    return folder.state / "processes" / container / f"{number}.json"


def _make_files_blocking(folder: PodFolder, order: StartOrder, process: Value) -> None:
    name, number = order.container.name, order.number
    log_path = folder.log(name, number)
    log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    log_path.touch(mode=0o640)
    message = folder.message(name, number)
    message.parent.mkdir(parents=True, exist_ok=True)
    message.touch()
    message.chmod(0o666)
    path = process_path(folder, name, number)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(msgspec.json.encode(process))
    path.chmod(0o600)


def _event(workshop: Workshop, order: StartOrder, kind: str, reason: str, message: str) -> None:
    workshop.recorder.event(order.pod, kind, reason, message, field_path=order.container.field_path)
