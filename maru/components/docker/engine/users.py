"""Who a process runs as, by the /etc/passwd and /etc/group of the container itself.

Source: moby daemon/oci_linux.go getUser; opencontainers/runc libcontainer/user GetExecUser.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.docker.model.oci_spec import User
from maru.core.errors import Invalid
from maru.linux.rooted import read_in_root_blocking

_BYTES_MAX = 1 << 20


def user_in_blocking(root: str, wanted: str, more_groups: Sequence[str]) -> User:
    """`wanted`: user[:group], names or numbers, "" for root. Raises Invalid in dockerd's words."""
    people, groups = _lines(root, "/etc/passwd", 7), _lines(root, "/etc/group", 4)
    name, _, group = wanted.partition(":")
    entry = _person(people, name or "0")
    if entry is None and name and not name.isdigit():
        raise Invalid(what=f"unable to find user {name}: no matching entries in passwd file", why="")
    uid = int(entry[2]) if entry else int(name or 0)
    gid = int(entry[3]) if entry else 0
    found = []
    if group:
        gid = _group_id(groups, group)
    elif entry is not None:
        found = [int(line[2]) for line in groups if entry[0] in line[3].split(",")]
    found += [_group_id(groups, each) for each in more_groups]
    if not 0 <= uid < 1 << 31:
        raise Invalid(what="uids and gids must be in range 0-2147483647", why="")
    home = entry[5] if entry else ("/root" if uid == 0 else "/")
    return User(uid, gid, tuple(dict.fromkeys([gid, *found])), home)


def _lines(root: str, path: str, fields: int) -> list[list[str]]:
    text = read_in_root_blocking(root, path, _BYTES_MAX).decode("utf-8", "replace")
    rows = (line.split(":") for line in text.splitlines())
    return [row for row in rows if len(row) >= fields and row[2].isdigit()]


def _person(people: list[list[str]], wanted: str) -> list[str] | None:
    for row in people:
        if row[0] == wanted or (wanted.isdigit() and row[2] == wanted):
            return row if row[3].isdigit() else None
    return None


def _group_id(groups: list[list[str]], wanted: str) -> int:
    for row in groups:
        if row[0] == wanted or row[2] == wanted:
            return int(row[2])
    if wanted.isdigit():
        return int(wanted)
    raise Invalid(what=f"unable to find group {wanted}: no matching entries in group file", why="")
