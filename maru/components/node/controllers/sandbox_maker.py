"""What a Pod's containers share, made and taken away: volumes, namespaces, names, the network.

Everything is idempotent, and what is made is written down before it is made, so that a kill in the
middle leaves nothing that the next start does not find.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from maru.components.node.controllers.workshop import Workshop
from maru.components.node.engine.pod_folder import PodFolder, Sandbox, pod_folder
from maru.components.node.engine.pod_limits import limit_pod_blocking
from maru.components.node.engine.volume_setup import Place, set_up_blocking, shared_memory_blocking
from maru.components.node.errors import MountFailed
from maru.components.node.model.hosts import hostname_of, hosts_file, parse_resolver, resolver_file, resolver_of
from maru.components.node.model.payload import Material, is_written, payload_of, references, token_requests
from maru.components.node.model.resources import group_figures
from maru.contracts.pod_network import Attachment, HostPort
from maru.core.document import Value
from maru.core.errors import MaruError, NotFound, NotSupported, Unavailable
from maru.kinds.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, RUNTIMECLASSES
from maru.linux.sandbox_namespaces import hold_pid_blocking, make_blocking, remove_blocking


def folder_of(workshop: Workshop, pod: Value) -> PodFolder:
    """The Pod's folder on this node."""
    metadata = pod["metadata"]
    return pod_folder(workshop.site, metadata["namespace"], metadata["name"], metadata["uid"])


def pod_cgroup(workshop: Workshop, pod: Value) -> str:
    """The control group above those of the Pod's containers."""
    return f"/{workshop.site.instance}/pods/pod{pod['metadata']['uid']}"


async def make_sandbox(workshop: Workshop, pod: Value) -> Sandbox:
    """Namespaces and network of a new sandbox. Raises a MaruError that says what failed."""
    spec = pod["spec"]
    if spec.get("hostUsers") is False:
        raise NotSupported(
            what="hostUsers: false", why="this node makes no user namespaces for Pods", fix="leave it out"
        )
    folder = folder_of(workshop, pod)
    kinds = tuple(
        kind
        for kind, field in (("net", "hostNetwork"), ("ipc", "hostIPC"), ("uts", "hostNetwork"))
        if not spec.get(field)
    )
    sandbox_id = workshop.ids.uid().replace("-", "") + workshop.ids.uid().replace("-", "")
    sandbox = Sandbox(sandbox_id, kinds, (), pod, runtime=await handler_of(workshop, pod))
    await asyncio.to_thread(folder.save_sandbox_blocking, sandbox)
    try:
        await asyncio.to_thread(limit_pod_blocking, pod_cgroup(workshop, pod), group_figures(pod))
        return await _fill(workshop, folder, sandbox)
    except OSError as error:
        await remove_sandbox(workshop, folder, sandbox)
        raise Unavailable(what="pod sandbox", why=str(error), fix="") from error
    except BaseException:
        await remove_sandbox(workshop, folder, sandbox)
        raise


async def handler_of(workshop: Workshop, pod: Value) -> str:
    """The runtime its RuntimeClass names, "" for the default. Raises NotFound, NotSupported."""
    name = pod["spec"].get("runtimeClassName")
    if not name:
        return ""
    try:
        handler = str((await workshop.client.get(RUNTIMECLASSES, "", name))["handler"])
    except NotFound as error:
        raise NotFound(what=f'RuntimeClass "{name}" not found', why="") from error
    choice = next((choice for choice in workshop.runtime.choices() if choice.name == handler), None)
    if choice is None or choice.refusal:
        why = choice.refusal if choice is not None else ""
        raise NotSupported(what=f'no runtime for "{handler}" is configured', why=why, fix="")
    return handler


async def _fill(workshop: Workshop, folder: PodFolder, sandbox: Sandbox) -> Sandbox:
    pod = sandbox.pod
    spec, metadata, site = pod["spec"], pod["metadata"], workshop.site
    hostname = hostname_of(pod, site.node_name, site.cluster_domain)
    sysctls = {entry["name"]: entry["value"] for entry in (spec.get("securityContext") or {}).get("sysctls") or ()}
    namespaces = folder.namespaces(sandbox.id)
    await asyncio.to_thread(make_blocking, namespaces, sandbox.kinds, hostname, sysctls)
    first_pid = 0
    kinds = sandbox.kinds
    if spec.get("shareProcessNamespace") and not spec.get("hostPID"):
        first_pid = await asyncio.to_thread(hold_pid_blocking, namespaces)
        kinds = (*kinds, "pid")
    if "net" in kinds:
        attachment = Attachment(
            sandbox.id, str(namespaces / "net"), metadata["namespace"], metadata["name"], _host_ports(pod)
        )
        ips = (await workshop.network.attach(attachment)).ips
    else:
        ips = tuple(workshop.host_ips)
    await asyncio.to_thread(_write_names_blocking, workshop, folder, pod, ips)
    made = Sandbox(sandbox.id, kinds, ips, pod, first_pid, sandbox.runtime)
    await asyncio.to_thread(folder.save_sandbox_blocking, made)
    return made


async def remove_sandbox(workshop: Workshop, folder: PodFolder, sandbox: Sandbox) -> None:
    """Network and namespaces go; idempotent."""
    if "net" in sandbox.kinds:
        await workshop.network.detach(sandbox.id)
    await asyncio.to_thread(_remove_namespaces_blocking, folder.namespaces(sandbox.id), sandbox.first_pid)


async def set_up_volumes(workshop: Workshop, pod: Value, pod_ips: tuple[str, ...]) -> Mapping[str, Place]:
    """Every volume of the Pod, ready. Raises MountFailed."""
    folder = folder_of(workshop, pod)
    material = await material_of(workshop, pod, pod_ips)
    places: dict[str, Place] = {}
    for volume in pod["spec"].get("volumes") or ():
        if volume.get("image") is not None:
            continue  # fetched when a container that mounts it starts
        source = await _resolved(workshop, pod, volume)
        payload = payload_of(pod, source, material) if is_written(source) else None
        now = workshop.clock.now()
        place = await asyncio.to_thread(set_up_blocking, folder, pod, source, payload, now)
        is_readonly = bool((volume.get("persistentVolumeClaim") or {}).get("readOnly"))
        places[volume["name"]] = Place(place.path, is_readonly or place.is_readonly)
    return places


async def material_of(workshop: Workshop, pod: Value, pod_ips: tuple[str, ...]) -> Material:
    """All that the Pod's volumes and variables are filled from. Raises MountFailed when a token is refused."""
    metadata = pod["metadata"]
    documents: dict[str, dict[str, Value]] = {"configmap": {}, "secret": {}}
    for kind, name in sorted(references(pod)):
        value = await workshop.references.fetch(metadata["uid"], (kind, metadata["namespace"], name))
        if value is not None:
            documents[kind][name] = value
    tokens = {}
    for volume in pod["spec"].get("volumes") or ():
        for audience, seconds in token_requests(volume):
            try:
                tokens[audience, seconds] = await workshop.tokens.fetch(pod, audience, seconds)
            except MaruError as error:
                raise MountFailed(volume["name"], f"failed to fetch token: {error}") from error
    return Material(documents["configmap"], documents["secret"], tokens, workshop.around(pod_ips))


async def shared_memory(workshop: Workshop, pod: Value) -> str:
    """The path of the Pod's /dev/shm on the host."""
    if pod["spec"].get("hostIPC"):
        return "/dev/shm"  # noqa: S108 - the host's own, as asked
    return str(await asyncio.to_thread(shared_memory_blocking, folder_of(workshop, pod)))


async def _resolved(workshop: Workshop, pod: Value, volume: Value) -> Value:
    """A claim becomes the hostPath of the volume it is bound to; others are themselves."""
    name, metadata = volume["name"], pod["metadata"]
    if volume.get("persistentVolumeClaim") is not None:
        claim_name = volume["persistentVolumeClaim"]["claimName"]
    elif volume.get("ephemeral") is not None:
        claim_name = f"{metadata['name']}-{name}"
    else:
        return volume
    try:
        claim = await workshop.client.get(PERSISTENTVOLUMECLAIMS, metadata["namespace"], claim_name)
        bound = claim["spec"].get("volumeName")
        if not bound or (claim.get("status") or {}).get("phase") != "Bound":
            raise MountFailed(name, f'persistentvolumeclaim "{claim_name}" is not bound')
        persistent = await workshop.client.get(PERSISTENTVOLUMES, "", bound)
    except MountFailed:
        raise
    except MaruError as error:
        raise MountFailed(name, str(error)) from error
    spec = persistent["spec"]
    if spec.get("volumeMode") == "Block":
        raise MountFailed(name, "block volumes are not supported by this node")
    if spec.get("hostPath") is not None:
        return {"name": name, "hostPath": spec["hostPath"]}
    if spec.get("local") is not None:
        return {"name": name, "hostPath": {"path": spec["local"]["path"], "type": "Directory"}}
    kinds = sorted(set(spec) & {"nfs", "csi", "iscsi", "fc", "rbd", "cephfs", "azureFile"}) or ["its kind"]
    raise MountFailed(name, f"persistent volume {bound}: {kinds[0]} is not supported by this node")


def _host_ports(pod: Value) -> tuple[HostPort, ...]:
    containers = (*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ()))
    return tuple(
        HostPort(port["hostPort"], port["containerPort"], port.get("protocol", "TCP"), port.get("hostIP", ""))
        for container in containers
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def _write_names_blocking(workshop: Workshop, folder: PodFolder, pod: Value, ips: tuple[str, ...]) -> None:
    site = workshop.site
    is_host = bool(pod["spec"].get("hostNetwork"))
    host_lines = Path("/etc/hosts").read_text() if is_host else ""
    host_resolver = Path("/etc/resolv.conf")
    own = parse_resolver(host_resolver.read_text() if host_resolver.exists() else "")
    resolver = resolver_of(pod, own, workshop.network.dns_ip, site.cluster_domain)
    (folder.state / "etc-hosts").write_text(hosts_file(pod, ips, site.cluster_domain, host_lines))
    (folder.state / "resolv.conf").write_text(resolver_file(resolver))
    (folder.state / "hostname").write_text(hostname_of(pod, site.node_name, site.cluster_domain) + "\n")


def _remove_namespaces_blocking(namespaces: Path, first_pid: int) -> None:
    if namespaces.exists():
        remove_blocking(namespaces, first_pid)
        namespaces.rmdir()
