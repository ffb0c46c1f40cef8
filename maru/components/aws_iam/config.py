"""The knobs of aws_iam."""

from __future__ import annotations

from typing import Annotated

import msgspec

from maru.core.config import Config


class IamConfig(Config, frozen=True):
    """root_assumes_roles: whether a root user may assume roles; AWS refuses it, and `maru env` gives a root key.

    sessions_kept_max: sessions whose tokens stay opened in memory, the least used are forgotten first.
    """

    root_assumes_roles: bool = True
    sessions_kept_max: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
