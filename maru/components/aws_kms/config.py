"""The knobs of aws_kms."""

from __future__ import annotations

from typing import Annotated

import msgspec

from maru.core.config import Config


class KmsConfig(Config, frozen=True):
    """open_materials_max: materials kept unsealed in memory, the least used are forgotten first.

    keys_max, aliases_max, grants_max: the quotas of an account, of a key, of a key, as AWS gives them.
    """

    open_materials_max: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    keys_max: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 100_000
    aliases_max: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 50
    grants_max: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 50_000
