"""Which part runs in which process. Data: moving a component is one line here.

control holds the store; node works as root on containers, mounts and networks; edge answers
traffic. Everything but control speaks the Kubernetes API to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.core.errors import Invalid

PROCESSES: Mapping[str, Sequence[str]] = {
    "control": (
        "store",
        "access",
        "apiserver",
        "informers",
        "certificates",
        "workloads",
        "scheduler",
        "aws_organizations",
        "aws_iam",
        "aws_kms",
        "aws_s3",
        "aws_front",
    ),
    "node": ("remote", "informers", "engine", "registry", "network", "docker", "podman", "node"),
    "edge": ("remote", "informers", "dns"),
    "telemetry": ("remote", "informers", "search", "pipelines"),
}

ONE = "one"
CONTROL = "control"
ALWAYS = ("store", "remote", "informers", "access", "apiserver")
"""Parts that `--only` never leaves out: without them there is no store to stand on."""

GROUPS: Mapping[str, str] = {"aws": "aws_"}
"""Words for `--only` that mean all components whose names begin so."""

STANDS_ON: Mapping[str, Sequence[str]] = {
    "aws_kms": ("aws_iam",),
    "aws_s3": ("aws_iam",),
    "aws_front": ("aws_iam",),
    "registry": ("engine",),
    "docker": ("engine", "network"),
    "podman": ("engine", "docker"),
    "node": ("engine", "network"),
}
"""What a component cannot be opened without, in its own process, besides what is always there."""


def layout(*, one: bool, only: Sequence[str] = ()) -> Mapping[str, Sequence[str]]:
    """The processes to run and their parts in order.

    `only`: the components wanted, or a group of them; what they stand on comes with them (empty: all).
    Raises Invalid for a component there is not.
    """
    known = {part for parts in PROCESSES.values() for part in parts}
    only = [part for word in only for part in _meant(word, sorted(known))]
    for name in only:
        if name not in known:
            names = ", ".join(sorted(known - {"store", "remote", "informers"}))
            raise Invalid(what=f"component {name!r}", why="there is none of that name", fix=f"choose among {names}")
    wanted = _with_what_they_stand_on(only)
    chosen: dict[str, Sequence[str]] = {}
    for process, parts in PROCESSES.items():
        kept = tuple(part for part in parts if not only or part in wanted or part in ALWAYS)
        if process == CONTROL or any(part not in ALWAYS for part in kept):
            chosen[process] = kept
    if not one:
        return chosen
    line = [part for parts in chosen.values() for part in parts if part != "remote"]
    return {ONE: tuple(dict.fromkeys(line))}


def _meant(word: str, known: Sequence[str]) -> Sequence[str]:
    prefix = GROUPS.get(word)
    return [word] if prefix is None else [part for part in known if part.startswith(prefix)]


def _with_what_they_stand_on(names: Sequence[str]) -> set[str]:
    wanted: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in wanted:
            wanted.add(name)
            left.extend(STANDS_ON.get(name, ()))
    return wanted
