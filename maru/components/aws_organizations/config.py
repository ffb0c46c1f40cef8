"""The knobs of aws_organizations."""

from __future__ import annotations

from typing import Annotated

import msgspec

from maru.core.config import Config


class OrganizationsConfig(Config, frozen=True):
    """accounts_max: of one organization, as its quota. role_wait_s: how long CreateAccount waits for the new

    account's role before it answers; 0 answers at once.
    """

    accounts_max: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10_000
    role_wait_s: Annotated[float, msgspec.Meta(ge=0, le=30)] = 3.0
