"""Secrets of a build: what a caller offers, and where a RUN wants them.

The classic builder of docker has none; other dialects offer them out of the context (podman's clients put them there).
Source: docs.docker.com/reference/dockerfile, "RUN --mount=type=secret"; podman pkg/api/handlers/compat/images_build.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maru.core.errors import Invalid

FOLDER = "/run/secrets"


@dataclass(frozen=True, slots=True)
class SecretMount:
    """target: in the container. mode: of the file, bits."""

    id: str
    target: str
    mode: int = 0o400
    uid: int = 0
    gid: int = 0
    is_required: bool = False


def offered(entries: Sequence[str]) -> Mapping[str, str]:
    """Paths in the context by id, of entries like id=a,src=file. Raises Invalid."""
    found = {}
    for entry in entries:
        fields = dict(part.partition("=")[::2] for part in entry.split(","))
        source = fields.get("src") or fields.get("source") or ""
        if not fields.get("id") or not source or fields.get("type", "file") != "file":
            raise Invalid(what=f"invalid build secret {entry!r}: id and src are needed, and its type is file", why="")
        found[fields["id"]] = source
    return found


def wanted(texts: Sequence[str]) -> Sequence[SecretMount]:
    """The mounts of one RUN, each as `--mount` has it. Raises Invalid for what is no secret."""
    mounts = []
    for text in texts:
        fields = dict(part.partition("=")[::2] for part in text.split(","))
        if fields.get("type") != "secret":
            raise Invalid(what=f"the --mount of type {fields.get('type') or 'bind'} requires BuildKit", why="")
        target = fields.get("target") or fields.get("dst") or fields.get("destination") or ""
        name = fields.get("id") or target.rpartition("/")[2]
        try:
            mounts.append(
                SecretMount(
                    name,
                    target or f"{FOLDER}/{name}",
                    int(fields.get("mode") or "400", 8),
                    int(fields.get("uid") or 0),
                    int(fields.get("gid") or 0),
                    "required" in fields and fields["required"] in ("", "true", "1"),
                )
            )
        except ValueError as error:
            raise Invalid(what=f"invalid mount {text!r}: {error}", why="") from error
    return mounts
