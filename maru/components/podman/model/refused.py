"""What of podman's wishes is not done here, and is said so. Source: podman pkg/specgen/specgen.go."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from maru.core.errors import NotSupported
from maru.wire.libpod.spec import ContainerSpec

_MAPPED = ("UIDMap", "GIDMap", "AutoUserNs")
_NOTHING: tuple[object, ...] = (None, "", False, 0, [], {})

_TAKEN: Mapping[str, Callable[[object], bool]] = {
    "umask": lambda value: value in ("0022", "022", "22"),
    "systemd": lambda value: value in ("true", "false"),  # it is about systemd as the command, which is a gap
    "cgroups_mode": lambda value: value == "enabled",
    "sdnotify_mode": lambda value: value in ("container", "conmon", "ignore"),  # nobody listens to it here
    "idmappings": lambda value: isinstance(value, dict) and not any(value.get(name) for name in _MAPPED),
    "health_log_destination": lambda value: value == "local",
    "health_log_count": lambda value: value == 5,
    "health_log_size": lambda value: value == 500,
    "image_volume_mode": lambda value: value in ("anonymous", "bind"),
}
"""Fields that may have these values, too: they ask for what is done anyway."""

_REFUSED = (
    "env_host image_volumes rootfs overlay_volumes chroot_directories idmappings rootfs_propagation unified "
    "storage_opts use_image_hosts use_image_resolve_conf init_container_type cgroups_mode sdnotify_mode procfs_opts "
    "conmon_pid_file passwd_entry group_entry host_device_list startup_health intel_rdt umask systemd "
    "dependencies image_volume_mode remove_image timeout env_merge base_hosts_file personality preserve_fds "
    "preserve_fd artifact_volumes use_image_hostname init_path health_log_destination health_log_count health_log_size"
)


def has_something(value: object) -> bool:
    """Whether a wish says anything, however deep."""
    if isinstance(value, dict):
        return any(has_something(each) for each in value.values())
    return value not in _NOTHING


def check(spec: ContainerSpec) -> None:
    """Raises NotSupported for the first of them."""
    for name in _REFUSED.split():
        value = getattr(spec, name)
        if value in _NOTHING or (name in _TAKEN and _TAKEN[name](value)):
            continue
        raise NotSupported(what=f"{name} is not supported", why=f"{value!r} was asked for", fix="leave it out")
    profile = spec.seccomp_profile_path
    if profile not in ("", "unconfined", "default"):
        raise NotSupported(what="seccomp profiles of a path are not supported", why="", fix="leave it out")
