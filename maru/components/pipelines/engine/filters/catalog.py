"""All filter plugins by name: those that only compute, and those that ask elsewhere.

Source: Logstash reference, "Filter plugins".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from maru.components.pipelines.engine.filters import dns, elastic, http, sleep
from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.model.filters import catalog
from maru.components.pipelines.model.filters.shape import Filter, Remembering
from maru.wire.logstash.syntax import Plugin

FILTERS: Mapping[str, Callable[[Plugin, Ground], Filter | Remembering]] = {
    **catalog.FILTERS,
    "dns": dns.build,
    "elasticsearch": elastic.build,
    "http": http.build,
    "sleep": sleep.build,
}
