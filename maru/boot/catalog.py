"""The list of components: the only file that imports them all, each only when a process asks for it.

A part of a process is a module with Needs, Gives and open: a component, or one of boot's own two
(the store and the shared informers), which stand in the same line because they have the same shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

OWN_PARTS = ("store", "remote", "informers")
COMPONENTS = (
    "access",
    "apiserver",
    "certificates",
    "workloads",
    "scheduler",
    "aws_organizations",
    "aws_iam",
    "aws_kms",
    "aws_s3",
    "aws_front",
    "engine",
    "registry",
    "network",
    "docker",
    "podman",
    "node",
    "dns",
    "search",
    "pipelines",
)
"""In the order in which they can be opened; each needs only what stands before it."""

LEAVING = ("engine", "network", "docker", "node")
"""Those that leave things on the machine and have a `tear_down`, in the order in which it is called."""


def load(names: Sequence[str]) -> Sequence[tuple[str, ModuleType]]:
    """The modules of the parts `names`, imported now, in that order."""
    return [(name, import_module(_module(name))) for name in names]


def _module(name: str) -> str:
    return f"maru.boot.parts.{name}" if name in OWN_PARTS else f"maru.components.{name}.component"
