"""The filter plugins there are, by name.

Source: Logstash reference, "Filter plugins".
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.pipelines.model.filters import date, dissect, drop, grok, json, kv, mutate
from maru.components.pipelines.model.filters.shape import Build

FILTERS: Mapping[str, Build] = {
    "date": date.build,
    "dissect": dissect.build,
    "drop": drop.build,
    "grok": grok.build,
    "json": json.build,
    "kv": kv.build,
    "mutate": mutate.build,
}
