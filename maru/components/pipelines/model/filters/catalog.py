"""The filter plugins there are, by name.

Source: Logstash reference, "Filter plugins".
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.pipelines.model.filters import (
    clone,
    csv,
    date,
    dissect,
    drop,
    fingerprint,
    grok,
    json,
    kv,
    mutate,
    small,
    split,
    translate,
)
from maru.components.pipelines.model.filters.shape import Build

FILTERS: Mapping[str, Build] = {
    "cidr": small.build_cidr,
    "clone": clone.build,
    "csv": csv.build,
    "date": date.build,
    "dissect": dissect.build,
    "drop": drop.build,
    "fingerprint": fingerprint.build,
    "grok": grok.build,
    "json": json.build,
    "kv": kv.build,
    "mutate": mutate.build,
    "prune": small.build_prune,
    "split": split.build,
    "translate": translate.build,
    "truncate": small.build_truncate,
    "urldecode": small.build_urldecode,
    "uuid": small.build_uuid,
}
