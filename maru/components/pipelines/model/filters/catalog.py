"""The filter plugins there are, by name.

Source: Logstash reference, "Filter plugins".
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.pipelines.model.filters import (
    clone,
    csv,
    date,
    de_dot,
    dissect,
    drop,
    elapsed,
    fingerprint,
    geoip,
    grok,
    json,
    kv,
    metrics,
    mutate,
    prune,
    sizes,
    small,
    split,
    syslog_pri,
    throttle,
    translate,
    useragent,
    values,
    xml,
)
from maru.components.pipelines.model.filters.shape import Build

FILTERS: Mapping[str, Build] = {
    "alter": values.build_alter,
    "anonymize": values.build_anonymize,
    "bytes": sizes.build,
    "cidr": small.build_cidr,
    "clone": clone.build,
    "csv": csv.build,
    "date": date.build,
    "de_dot": de_dot.build,
    "dissect": dissect.build,
    "drop": drop.build,
    "elapsed": elapsed.build,
    "environment": values.build_environment,
    "extractnumbers": values.build_extractnumbers,
    "fingerprint": fingerprint.build,
    "geoip": geoip.build,
    "grok": grok.build,
    "i18n": values.build_i18n,
    "java_uuid": small.build_uuid,
    "json": json.build,
    "json_encode": values.build_json_encode,
    "kv": kv.build,
    "metrics": metrics.build,
    "mutate": mutate.build,
    "prune": prune.build,
    "range": values.build_range,
    "split": split.build,
    "syslog_pri": syslog_pri.build,
    "throttle": throttle.build,
    "translate": translate.build,
    "truncate": small.build_truncate,
    "urldecode": small.build_urldecode,
    "useragent": useragent.build,
    "uuid": small.build_uuid,
    "xml": xml.build,
}

REFUSED: Mapping[str, str] = {
    "ruby": "it runs Ruby code, and there is no Ruby here",
    "aggregate": "what it does is written in Ruby code, and there is no Ruby here",
    "jdbc_streaming": "there is no JDBC here",
    "jdbc_static": "there is no JDBC here",
    "memcached": "there is no client of memcached here; use translate with a file, or elasticsearch",
    "tld": "there is no list of public suffixes here",
}
"""Plugins that Logstash has and that will not be here, with the reason."""
