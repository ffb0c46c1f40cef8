"""The knobs of the registry."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from maru.core.config import Config


class RegistryConfig(Config, frozen=True):
    """unreferenced_s: how long a blob that no manifest names, or an upload nobody goes on with, is kept.

    collect_every_s: between two looks for those. uploads_max: uploads under way at once. htpasswd_file: name:bcrypt
    lines of those who may come in, as `htpasswd -B` writes them; "" lets everybody.
    """

    unreferenced_s: Annotated[float, Meta(ge=0, le=31_536_000)] = 86_400.0
    collect_every_s: Annotated[float, Meta(ge=0.05, le=86_400)] = 600.0
    uploads_max: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    htpasswd_file: str = ""
