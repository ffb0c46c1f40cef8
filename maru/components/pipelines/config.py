"""Knobs of the pipelines component.

Source: Logstash reference, "logstash.yml".
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from maru.core.config import Config


class PipelinesConfig(Config, frozen=True):
    """settings: a folder with pipelines.yml, "" for none; container_logs: index the logs of all containers."""

    container_logs: bool = True
    settings: str = ""
    reload_s: Annotated[float, msgspec.Meta(ge=0.5, le=3600)] = 3.0  # between looks at that folder
    letters_bytes_max: Annotated[int, msgspec.Meta(ge=1 << 20, le=1 << 40)] = 1 << 30  # of one dead letter queue
