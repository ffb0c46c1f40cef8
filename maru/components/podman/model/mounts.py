"""Mounts: podman's options, and the Engine API's mounts that do the same.

Source: podman pkg/util/mount_opts.go ProcessOptions, pkg/specgenutil/volumes.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from maru.components.podman.model.remembered import Remembered
from maru.core.document import Value
from maru.core.errors import Invalid, NotSupported
from maru.wire.libpod.spec import ContainerSpec, Mount, NamedVolume

PROPAGATIONS = frozenset({"private", "rprivate", "slave", "rslave", "shared", "rshared"})
FLAGS = frozenset({"noexec", "nosuid", "nodev", "exec", "suid", "dev", "noatime", "relatime"})
LABELS = frozenset({"z", "Z", "shared", "private"})  # SELinux, which no machine of this platform has
READ_WRITE_TMPFS = ("/run", "/tmp", "/var/tmp")  # noqa: S108 - places inside of a container
_NAMED_FLAGS = ("nosuid", "nodev")


@dataclass(slots=True)
class Options:
    """Options sorted out. given: as they are shown; flags: for the kernel; sizes: size= and mode= of a tmpfs."""

    given: list[str]
    is_writable: bool = True
    is_recursive: bool = True
    propagation: str = ""
    flags: list[str] = field(default_factory=list)
    is_copied: bool = True
    sizes: list[str] = field(default_factory=list)

    def shown(self) -> list[str]:
        """What was given, and what podman adds to it."""
        access = [] if {"ro", "rw"} & set(self.given) else ["rw"]
        return [*self.given, *access, *([] if self.propagation else ["rprivate"])]


def engine_mounts(spec: ContainerSpec, remembered: Remembered) -> list[Value]:
    """`HostConfig.Mounts`; how podman shows them goes to `remembered`. Raises Invalid, NotSupported."""
    mounts = [_of_mount(mount, remembered) for mount in spec.mounts or ()]
    mounts += [_of_volume(volume, remembered) for volume in spec.volumes or ()]
    if spec.read_only_filesystem and spec.read_write_tmpfs:
        taken = {mount["Target"] for mount in mounts}
        places = [place for place in READ_WRITE_TMPFS if place not in taken]
        mounts += [_tmpfs(place, _sorted_out(("rw",)), remembered) for place in places]
    return mounts


def _of_mount(mount: Mount, remembered: Remembered) -> Value:
    if not mount.destination.startswith("/"):
        raise Invalid(what=f"invalid mount destination {mount.destination!r}: it must be an absolute path", why="")
    options = _sorted_out(mount.options or ())
    if mount.type == "tmpfs":
        return _tmpfs(mount.destination, options, remembered)
    if mount.type == "volume":
        return _of_volume(NamedVolume(mount.source, mount.destination, list(mount.options or ())), remembered)
    if mount.type not in ("", "bind"):
        raise NotSupported(what=f"mounts of type {mount.type} are not supported", why="")
    shown = options.shown()
    shown += [] if {"bind", "rbind"} & set(options.given) else ["rbind"]
    remembered.binds.append(f"{mount.source}:{mount.destination}:{','.join(shown)}")
    remembered.options[mount.destination] = ["rbind" if options.is_recursive else "bind", *options.flags]
    flags = {"Propagation": options.propagation or "rprivate", "NonRecursive": not options.is_recursive}
    return {
        "Type": "bind",
        "Source": mount.source,
        "Target": mount.destination,
        "ReadOnly": not options.is_writable,
        "BindOptions": {**flags, "MountFlags": options.flags},
    }


def _of_volume(volume: NamedVolume, remembered: Remembered) -> Value:
    options = _sorted_out(volume.Options or ())
    flags = options.flags + [
        flag for flag in _NAMED_FLAGS if flag not in options.flags and flag[2:] not in options.flags
    ]
    shown = [*options.shown(), *(flag for flag in flags if flag not in options.given)]
    if volume.Name:
        remembered.binds.append(f"{volume.Name}:{volume.Dest}:{','.join([*shown, 'rbind'])}")
    remembered.options[volume.Dest] = [*flags, "rbind"]
    details: Value = {"NoCopy": not options.is_copied, "MountFlags": flags}
    if volume.SubPath:
        details["Subpath"] = volume.SubPath.lstrip("/")
    return {
        "Type": "volume",
        "Source": "" if volume.IsAnonymous else volume.Name,
        "Target": volume.Dest,
        "ReadOnly": not options.is_writable,
        "VolumeOptions": details,
    }


def _tmpfs(place: str, options: Options, remembered: Remembered) -> Value:
    shown = options.shown()
    shown += [flag for flag in _NAMED_FLAGS if flag not in options.flags and flag[2:] not in options.flags]
    if not {"tmpcopyup", "notmpcopyup"} & set(options.given):
        shown.append("tmpcopyup")
    remembered.tmpfs[place] = ",".join(shown)
    flags = [*options.flags, *options.sizes]
    if "noexec" not in flags:
        flags.append("exec")
    if "notmpcopyup" not in options.given:
        flags.append("tmpcopyup")
    return {
        "Type": "tmpfs",
        "Target": place,
        "ReadOnly": not options.is_writable,
        "TmpfsOptions": {"Options": [flag.split("=", 1) for flag in dict.fromkeys(flags)]},
    }


def _sorted_out(given: Sequence[str]) -> Options:
    options = Options([])
    for option in _flat(given):
        name, _, value = option.partition("=")
        options.given.append(option)
        if name in ("ro", "rw", "readonly"):
            options.is_writable = name == "rw" or (name == "readonly" and value == "false")
        elif name in ("bind", "rbind"):
            options.is_recursive = name == "rbind"
        elif name in FLAGS:
            options.flags.append(name)
        elif name in PROPAGATIONS and name not in LABELS:
            options.propagation = name
        elif name in ("copy", "nocopy"):
            options.is_copied = name == "copy"
        elif name in ("size", "mode") and value:
            options.sizes.append(option)
        elif name in PROPAGATIONS:
            options.propagation = name
        elif name not in LABELS and name not in ("tmpcopyup", "notmpcopyup", "consistency"):
            raise NotSupported(what=f"mount option {option!r} is not supported", why="")
    return options


def _flat(given: Sequence[str]) -> Iterable[str]:
    for option in given:
        yield from (part for part in option.split(",") if part)
