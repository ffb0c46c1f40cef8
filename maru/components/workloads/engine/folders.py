"""Removing the folder of a volume whose claim is gone.

Only a folder directly below the given one is ever removed, whatever a volume says.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from maru.core.errors import Invalid, Unavailable


def remove_folder_blocking(below: Path, path: Path) -> None:
    """Remove `path` and all in it; nothing happens if it is not there.

    Raises Invalid when `path` is not a folder directly in `below`, Unavailable when the disk refuses.
    """
    if path.parent != below or path.name in ("", ".", "..") or path.is_symlink():
        raise Invalid(what=f"folder {path}", why=f"it is not one of {below}", fix="remove it by hand")
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise Unavailable(what=f"folder {path}", why=str(error), fix="look at the disk") from error
