"""The container of a task: the create request that a task's specification means.

Source: Docker Engine API v1.50, TaskSpec.ContainerSpec; moby daemon/cluster/executor/container/container.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from maru.components.docker.model.swarm.tasks import TASK_LABEL
from maru.components.docker.model.swarm.templates import Context, expand
from maru.core.document import Value
from maru.core.errors import Broken

_SAME = {"User": "User", "Healthcheck": "Healthcheck", "StopSignal": "StopSignal", "OpenStdin": "OpenStdin"}
_HOST_SAME = {
    "ReadOnly": "ReadonlyRootfs",
    "Init": "Init",
    "Isolation": "Isolation",
    "CapabilityAdd": "CapAdd",
    "CapabilityDrop": "CapDrop",
    "Ulimits": "Ulimits",
    "Sysctls": "Sysctls",
    "Groups": "GroupAdd",
    "OomScoreAdj": "OomScoreAdj",
}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A network of a task: by id, how it is called there, and what it is reached by."""

    network_id: str
    network_name: str
    aliases: Sequence[str]
    options: Mapping[str, str]


def create_body(template: Value, endpoint: Value, attachments: Sequence[Attachment], context: Context) -> Value:
    """The body of a container create. Raises ValueError for templates that mean nothing, Broken."""
    spec = template["ContainerSpec"]
    if spec.get("environment"):
        why = "it was sealed under another key or for another document"
        raise Broken(what="the environment of the task", why=why, fix="give the service its variables anew")
    body: Value = {their: spec[ours] for ours, their in _SAME.items() if spec.get(ours) is not None}
    body |= {
        "Image": spec["Image"],
        "Hostname": expand(str(spec.get("Hostname") or ""), context),
        "WorkingDir": spec.get("Dir") or "",
        "Env": [expand(str(each), context) for each in spec.get("Env") or ()],
        "Entrypoint": spec.get("Command") or None,
        "Cmd": spec.get("Args") or None,
        "Tty": bool(spec.get("TTY")),
        "Labels": {str(key): str(value) for key, value in (spec.get("Labels") or {}).items()} | labels_of(context),
        "HostConfig": _host_config(template, endpoint, context),
    }
    grace = spec.get("StopGracePeriod")
    if grace is not None:
        body["StopTimeout"] = -(-int(grace) // 1_000_000_000)
    for port in endpoint.get("Ports") or ():
        key = f"{port['TargetPort']}/{port.get('Protocol') or 'tcp'}"
        body.setdefault("ExposedPorts", {})[key] = {}
    if attachments:
        body["HostConfig"]["NetworkMode"] = attachments[0].network_name
        body["NetworkingConfig"] = {
            "EndpointsConfig": {
                each.network_name: {"Aliases": list(each.aliases), "DriverOpts": dict(each.options) or None}
                for each in attachments
            }
        }
    return body


def labels_of(context: Context) -> dict[str, str]:
    """What marks a container as one of a task."""
    return {
        "com.docker.swarm.node.id": context.node_id,
        "com.docker.swarm.service.id": context.service_id,
        "com.docker.swarm.service.name": context.service_name,
        "com.docker.swarm.task": "",
        TASK_LABEL: context.task_id,
        "com.docker.swarm.task.name": context.task_name,
    }


def _host_config(template: Value, endpoint: Value, context: Context) -> Value:
    spec = template["ContainerSpec"]
    resources = template.get("Resources") or {}
    limits, reserved = resources.get("Limits") or {}, resources.get("Reservations") or {}
    dns = spec.get("DNSConfig") or {}
    host: Value = {their: spec[ours] for ours, their in _HOST_SAME.items() if spec.get(ours) is not None}
    host |= {
        "Mounts": [_mount(mount, context) for mount in spec.get("Mounts") or ()],
        "Dns": dns.get("Nameservers") or [],
        "DnsSearch": dns.get("Search") or [],
        "DnsOptions": dns.get("Options") or [],
        "ExtraHosts": _extra_hosts(spec.get("Hosts") or ()),
        "NanoCpus": int(limits.get("NanoCPUs") or 0),
        "Memory": int(limits.get("MemoryBytes") or 0),
        "MemoryReservation": int(reserved.get("MemoryBytes") or 0),
        "PidsLimit": int(limits.get("Pids") or 0) or None,
        "SecurityOpt": _security(spec.get("Privileges") or {}),
        "PortBindings": _bindings(endpoint),
        "RestartPolicy": {"Name": "no"},
    }
    log = template.get("LogDriver") or {}
    if log.get("Name"):
        host["LogConfig"] = {"Type": log["Name"], "Config": log.get("Options") or {}}
    return host


def _mount(mount: Value, context: Context) -> Value:
    changed = {**mount}
    for name in ("Source", "Target"):
        if changed.get(name):
            changed[name] = expand(str(changed[name]), context)
    labels = (changed.get("VolumeOptions") or {}).get("Labels") or {}
    if labels:
        filled = {str(key): expand(str(value), context) for key, value in labels.items()}
        changed["VolumeOptions"] = {**changed["VolumeOptions"], "Labels": filled}
    return changed


def _extra_hosts(entries: Sequence[str]) -> list[str]:
    """From lines of /etc/hosts to name:address."""
    found = []
    for entry in entries:
        address, *names = entry.split()
        found += [f"{name}:{address}" for name in names]
    return found


def _bindings(endpoint: Value) -> Value:
    bindings: Value = {}
    for port in endpoint.get("Ports") or ():
        if port.get("PublishMode") == "host":
            number = str(port.get("PublishedPort") or "")
            key = f"{port['TargetPort']}/{port.get('Protocol') or 'tcp'}"
            bindings.setdefault(key, []).append({"HostPort": number})
    return bindings


def _security(privileges: Value) -> list[str]:
    options = []
    selinux = privileges.get("SELinuxContext") or {}
    if selinux.get("Disable"):
        options.append("label=disable")
    options += [
        f"label={name.lower()}:{selinux[name]}" for name in ("User", "Role", "Type", "Level") if selinux.get(name)
    ]
    seccomp = privileges.get("Seccomp") or {}
    if seccomp.get("Mode") == "unconfined":
        options.append("seccomp=unconfined")
    elif seccomp.get("Mode") == "custom":
        profile = seccomp.get("Profile") or ""
        text = profile if isinstance(profile, str) else msgspec.json.encode(profile).decode()
        options.append(f"seccomp={text}")
    if (privileges.get("AppArmor") or {}).get("Mode") == "disabled":
        options.append("apparmor=unconfined")
    if privileges.get("NoNewPrivileges"):
        options.append("no-new-privileges=true")
    return options
