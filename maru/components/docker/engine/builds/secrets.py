"""Files of a build's secrets: moved out of the context, laid into one RUN, and no trace of them left in its layer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from maru.components.docker.engine.builds.context import real_path_blocking
from maru.components.docker.model.builds.secrets import SecretMount
from maru.core.errors import Invalid


def put_away_blocking(context: str, folder: Path, secrets: Mapping[str, str]) -> None:
    """Move each to `folder`, where it bears its number. Raises Invalid for one that is no file of the context."""
    folder.mkdir(0o700, exist_ok=True)
    for place, (name, source) in enumerate(secrets.items()):
        try:
            path = Path(real_path_blocking(context, source))
            if not path.is_file() or path.is_symlink():
                raise FileNotFoundError(source)
            path.rename(folder / str(place))
        except OSError as error:
            raise Invalid(what=f"build secret {name!r}: {source} is no file of the context", why="") from error


def laid_out_blocking(source: Path, target: Path, mount: SecretMount) -> None:
    """A copy with the owner and mode that one RUN asks for."""
    target.touch(0o600)
    target.write_bytes(source.read_bytes())
    os.chown(target, mount.uid, mount.gid)
    target.chmod(mount.mode)


def missing_blocking(root: str, targets: Sequence[str]) -> Sequence[str]:
    """Which files and folders the mounts will make in `root`, shallow ones first."""
    missing: dict[str, None] = {}
    for target in targets:
        parts = [part for part in target.split("/") if part]
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            try:
                real_path_blocking(root, path)
            except OSError:
                missing[path] = None
    return list(missing)


def remove_blocking(root: str, made: Sequence[str]) -> None:
    """Take them away again; a folder that something was put into meanwhile stays."""
    for path in reversed(made):
        folder, _, name = path.rpartition("/")
        with suppress(OSError):
            found = Path(real_path_blocking(root, folder)) / name
            if found.is_dir() and not found.is_symlink():
                found.rmdir()
            elif found.is_file() and not found.stat().st_size:
                found.unlink()
