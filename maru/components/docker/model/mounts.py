"""Which mounts a container has: -v, --mount, --tmpfs, the image's volumes and other containers'.

Later ones win over earlier ones at the same place: the image's volumes, --volumes-from, binds, --mount.
Source: moby daemon/volumes.go registerMountPoints, volume/mounts/linux_parser.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from maru.components.docker.model.container import MountPoint
from maru.core.document import Value
from maru.core.errors import Invalid, NotSupported
from maru.wire.docker.binds import PROPAGATIONS, Bind, parse_bind

MOUNT_FLAGS = frozenset({"noexec", "nosuid", "nodev", "exec", "suid", "dev", "noatime", "relatime"})

VolumesOf = Callable[[str], Sequence[MountPoint]]
"""The bind and volume mounts of another container, by its name or id. Raises NotFound."""


def mount_points(config: Value, host: Value, volumes_of: VolumesOf) -> list[MountPoint]:
    """In the order they are made: shallow ones first. Raises Invalid, NotFound."""
    points: dict[str, MountPoint] = {}
    for entry in host.get("VolumesFrom") or ():
        _add_all(points, _from_other(entry, volumes_of))
    named = {}
    for text in host.get("Binds") or ():
        point = _of_bind(text, host)
        if point.destination in named:
            raise _invalid(f"Duplicate mount point: {point.destination}")
        named[point.destination] = point
    for entry in host.get("Mounts") or ():
        point = _of_mount(entry)
        if point.destination in named:
            raise _invalid(f"Duplicate mount point: {point.destination}")
        named[point.destination] = point
    points |= named
    for target in host.get("Tmpfs") or {}:
        if target in named:
            raise _invalid(f"Duplicate mount point: {target}")
    for target in config.get("Volumes") or {}:
        _add_volume(points, target, host)
    return sorted(points.values(), key=lambda point: point.destination.count("/"))


def tmpfs_binds(host: Value) -> Iterable[tuple[str, list[str]]]:
    """Target and mount options of --tmpfs. Raises Invalid."""
    for target, text in (host.get("Tmpfs") or {}).items():
        if not target.startswith("/"):
            raise _invalid(f"invalid tmpfs option: invalid mount path: '{target}' mount path must be absolute")
        given = [option for option in text.split(",") if option]
        options = ["noexec", "nosuid", "nodev"]
        for option in given:
            if option in ("exec", "suid", "dev"):
                options = [each for each in options if each != f"no{option}"]
        yield target.rstrip("/") or "/", list(dict.fromkeys([*options, *given]))


def tmpfs_options(point: MountPoint) -> list[str]:
    """Mount options of a --mount type=tmpfs."""
    options = ["noexec", "nosuid", "nodev"]
    if not point.is_writable:
        options.append("ro")
    if point.size_bytes:
        options.append(f"size={point.size_bytes}")
    if point.tmpfs_mode:
        options.append(f"mode={point.tmpfs_mode:o}")
    for option in point.options:
        if option in ("exec", "suid", "dev"):
            options.remove(f"no{option}")
    return options + point.options


def bind_options(point: MountPoint) -> list[str]:
    """Mount options of a bind or a volume."""
    access = "rw" if point.is_writable else "ro"
    if not point.is_writable and point.is_recursive and point.is_recursive_readonly and point.kind == "bind":
        access = "ro"
    return ["rbind" if point.is_recursive else "bind", access, point.propagation or "rprivate", *point.options]


def _add_all(points: dict[str, MountPoint], more: Iterable[MountPoint]) -> None:
    points.update({point.destination: point for point in more})


def _add_volume(points: dict[str, MountPoint], target: str, host: Value) -> None:
    clean = target.rstrip("/") or "/"
    if clean == "/":
        raise _invalid("invalid volume specification: '/': invalid specification: destination can't be '/'")
    if clean not in points and clean not in (host.get("Tmpfs") or {}):
        driver = str(host.get("VolumeDriver") or "local")
        points[clean] = MountPoint("volume", clean, driver=driver, is_anonymous=True)


def _from_other(entry: str, volumes_of: VolumesOf) -> Iterable[MountPoint]:
    name, _, mode = entry.partition(":")
    if mode not in ("", "ro", "rw", "z", "Z"):
        raise _invalid(f"invalid mode for volumes-from: {mode}")
    for point in volumes_of(name):
        copied = MountPoint(**{field: getattr(point, field) for field in MountPoint.__struct_fields__})
        copied.is_writable = point.is_writable and mode != "ro"
        copied.is_copied, copied.is_anonymous = False, False
        copied.mode = mode or point.mode
        yield copied


def _of_bind(text: str, host: Value) -> MountPoint:
    try:
        bind: Bind = parse_bind(text)
    except ValueError as error:
        raise _invalid(str(error)) from error
    if bind.is_volume:
        if bind.propagation:
            raise _invalid(f"invalid volume specification: '{text}': invalid mode: {bind.mode}")
        point = MountPoint("volume", bind.target, name=bind.source, driver=str(host.get("VolumeDriver") or "local"))
        point.is_anonymous, point.is_copied = not bind.source, bind.is_copied
        point.mode = bind.mode or "z"
    else:
        point = MountPoint("bind", bind.target, source=bind.source.rstrip("/") or "/", mode=bind.mode)
        point.propagation, point.is_copied = bind.propagation or "rprivate", False
    point.is_writable = not bind.is_readonly
    return point


def _of_mount(entry: Value) -> MountPoint:
    kind, target = entry.get("Type") or "volume", (entry.get("Target") or "").rstrip("/")
    if not target.startswith("/"):
        raise _invalid(
            f"invalid mount config for type \"{kind}\": invalid mount path: '{target}' mount path must be absolute"
        )
    point = MountPoint(kind, target, is_writable=not entry.get("ReadOnly"))
    if kind == "bind":
        options = entry.get("BindOptions") or {}
        if not (entry.get("Source") or "").startswith("/"):
            source = entry.get("Source") or ""
            raise _invalid(
                f"invalid mount config for type \"bind\": invalid mount path: '{source}' mount path must be absolute"
            )
        point.source = entry["Source"].rstrip("/") or "/"
        point.propagation = options.get("Propagation") or "rprivate"
        if point.propagation not in PROPAGATIONS:
            raise _invalid(f'invalid mount config for type "bind": invalid propagation mode: {point.propagation}')
        point.is_recursive = not options.get("NonRecursive")
        point.is_recursive_readonly = not options.get("ReadOnlyNonRecursive")
        point.mode, point.is_copied = "create" if options.get("CreateMountpoint") else "", False
        point.options = _flags(options)
    elif kind == "volume":
        volume = entry.get("VolumeOptions") or {}
        point.name, point.is_anonymous = entry.get("Source") or "", not entry.get("Source")
        point.driver = (volume.get("DriverConfig") or {}).get("Name") or "local"
        point.is_copied = not volume.get("NoCopy")
        point.subpath, point.mode = volume.get("Subpath") or "", "z"
        point.options = _flags(volume)
    elif kind == "tmpfs":
        options = entry.get("TmpfsOptions") or {}
        point.size_bytes, point.tmpfs_mode = options.get("SizeBytes") or 0, options.get("Mode") or 0
        point.options = ["=".join(option) for option in options.get("Options") or ()]
    elif kind in ("npipe", "cluster", "image"):
        raise NotSupported(what=f"mount type {kind} is not supported", why="")
    else:
        raise _invalid(f'invalid mount config for type "{kind}": mount type unknown')
    return point


def _flags(options: Value) -> list[str]:
    """`MountFlags`, which the Engine API has not and other dialects ask for. Raises Invalid."""
    flags = [str(flag) for flag in options.get("MountFlags") or ()]
    for flag in flags:
        if flag not in MOUNT_FLAGS:
            raise _invalid(f"invalid mount option: {flag}")
    return flags


def _invalid(words: str) -> Invalid:
    return Invalid(what=words, why="", fix="")
