"""Service models from botocore's data files, stripped and kept in the data folder.

botocore itself is not imported: it would cost 20 MB. A model is read from its gzip file once, stripped of
documentation and written as MessagePack, named after the source's size and time so that another botocore is noticed.
"""

from __future__ import annotations

import gzip
import os
from importlib.util import find_spec
from pathlib import Path

import msgspec

from maru.core.errors import Broken, NotFound
from maru.wire.aws.shapes import ServiceModel, strip

FORM = 1  # of the cached files; another number and they are made anew


class Models:
    """folder: where stripped models are kept; it is made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load_blocking(self, name: str) -> ServiceModel:
        """The newest model of the service. Raises NotFound if botocore has none of that name."""
        source = _source(name)
        status = source.stat()
        cached = self._folder / f"{name}-{FORM}-{status.st_size}-{status.st_mtime_ns}.msgpack"
        try:
            return ServiceModel(name, msgspec.msgpack.decode(cached.read_bytes()))
        except (FileNotFoundError, msgspec.DecodeError, KeyError):
            pass
        stripped = strip(msgspec.json.decode(gzip.decompress(source.read_bytes())))
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in self._folder.glob(f"{name}-*.msgpack"):
            old.unlink(missing_ok=True)
        draft = cached.with_suffix(f".{os.getpid()}.new")
        draft.write_bytes(msgspec.msgpack.encode(stripped))
        draft.replace(cached)
        return ServiceModel(name, stripped)


def _source(name: str) -> Path:
    found = find_spec("botocore")  # a look at the path, no import
    if found is None or not found.submodule_search_locations:
        raise Broken(what="botocore", why="it is not installed", fix="pip install botocore")
    folder = Path(found.submodule_search_locations[0]) / "data" / name
    versions = sorted(folder.glob("*/service-2.json.gz"))
    if not versions:
        raise NotFound(what=f"AWS service {name!r}", why="botocore has no model of that name")
    return versions[-1]
