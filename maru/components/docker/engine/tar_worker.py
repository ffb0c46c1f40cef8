# Plain os calls and few imports: it starts for every build and copy.
# ruff: noqa: PTH101, PTH108, PTH112, PTH114, PTH116, PTH118, PTH119, PTH120, PTH208
"""A process of its own that reads and writes files inside a container's root, which it has made its own.

Links in the container lead nowhere outside, since outside is gone: the root is changed first. Run as
`python -I tar_worker.py COMMAND ROOT PATH ...`; tar goes through stdin and stdout; a refusal is a line
on stderr with exit code 2 (not found), 4 (the disk is full) or 3 (anything else).
Source: chroot(2); moby pkg/chrootarchive.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import tarfile
import time

NOT_FOUND, REFUSED, FULL = 2, 3, 4
# os.FileMode of Go: where its bits differ from those of stat(2).
_GO_BITS = (
    (stat.S_ISDIR, 1 << 31),
    (stat.S_ISLNK, 1 << 27),
    (stat.S_ISFIFO, 1 << 25),
    (stat.S_ISSOCK, 1 << 24),
    (stat.S_ISBLK, 1 << 26),
    (stat.S_ISCHR, 1 << 26 | 1 << 21),
)


class Refused(Exception):
    """Said to the client as it is."""


def describe(path: str) -> dict[str, object]:
    """The header X-Docker-Container-Path-Stat of a path."""
    status = os.lstat(path.rstrip("/") or "/")
    mode = stat.S_IMODE(status.st_mode) & 0o777
    for is_kind, bits in _GO_BITS:
        if is_kind(status.st_mode):
            mode |= bits
    for bit, go_bit in ((stat.S_ISUID, 1 << 23), (stat.S_ISGID, 1 << 22), (stat.S_ISVTX, 1 << 20)):
        mode |= go_bit if status.st_mode & bit else 0
    target = os.path.realpath(path) if stat.S_ISLNK(status.st_mode) else ""
    seconds, rest_ns = divmod(status.st_mtime_ns, 1_000_000_000)
    moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest_ns:09d}Z"
    name = os.path.basename(path.rstrip("/")) or "/"
    return {"name": name, "size": status.st_size, "mode": mode, "mtime": moment, "linkTarget": target}


def pack(path: str) -> None:
    """A path as a tar; PATH/. means what is in it."""
    inside = path.endswith("/.")
    clean = path.rstrip("/.") if inside else path.rstrip("/")
    clean = clean or "/"
    name = "." if inside or clean == "/" else os.path.basename(clean)
    if path.endswith("/") and not inside:
        clean = os.path.realpath(clean)
    os.lstat(clean)
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        tar.add(clean, arcname=name, filter=_plain)


def pack_everything() -> None:
    """The whole root, as `docker export` has it."""
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(os.listdir("/")):
            tar.add(f"/{name}", arcname=name, filter=_plain)


def unpack(path: str, no_overwrite: bool, owner: str) -> None:
    """A tar into a folder that exists."""
    folder = os.path.realpath(path)
    if not os.path.isdir(folder):
        os.stat(folder)
        raise Refused("extraction point is not a directory")
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|*") as tar:
        tar.extraction_filter = _as_it_stands  # read by Python 3.11.4 and newer only
        for member in tar:
            if ".." in member.name.split("/"):
                raise Refused(f"invalid tar entry {member.name}: it leads out of the archive")
            target = os.path.join(folder, member.name.lstrip("/"))
            if no_overwrite and os.path.lexists(target):
                _refuse_overwrite(target, member)
            if owner:
                uid, _, gid = owner.partition(":")
                member.uid, member.gid = int(uid), int(gid)
            member.uname = member.gname = ""
            if os.path.islink(target) and not member.isdir():
                os.unlink(target)
            if member.isdir() and os.path.isdir(target):
                os.chmod(target, member.mode)
                os.chown(target, member.uid, member.gid)
                continue
            try:
                tar.extract(member, folder, numeric_owner=True)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                if member.isreg() and os.path.lexists(target):
                    os.unlink(target)
                raise OSError(error.errno, f"write /{member.name}: {os.strerror(error.errno).lower()}") from error


def _refuse_overwrite(target: str, member: tarfile.TarInfo) -> None:
    above = os.path.dirname(target)
    if os.path.isdir(target) and not member.isdir():
        raise Refused(f'cannot overwrite directory "{target}" with non-directory "{above}"')
    if not os.path.isdir(target) and member.isdir():
        raise Refused(f'cannot overwrite non-directory "{target}" with directory "{above}"')


def _as_it_stands(member: tarfile.TarInfo, _folder: str) -> tarfile.TarInfo:
    return member


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uname = member.gname = ""
    return member


def main(arguments: list[str]) -> int:
    """The exit code."""
    command, root, path = arguments[:3]
    if command == "stat":
        import json  # before the root is another one, and not for the others
    try:
        os.chroot(root)
        os.chdir("/")
        if command == "stat":
            sys.stdout.write(json.dumps(describe(path)))
        elif command == "pack":
            pack(path)
        elif command == "pack-everything":
            pack_everything()
        else:
            unpack(path, arguments[3] == "1", arguments[4])
    except (FileNotFoundError, NotADirectoryError):
        sys.stderr.write(f"Could not find the file {path} in container")
        return NOT_FOUND
    except BrokenPipeError:
        return 0
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        sys.stderr.write(str(error.strerror) if is_full else str(error))
        return FULL if is_full else REFUSED
    except (Refused, tarfile.TarError) as error:
        sys.stderr.write(str(error))
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
