"""Inputs and outputs that Logstash has and that will not be here, with the reason.

Source: Logstash reference, "Input plugins", "Output plugins".
"""

from __future__ import annotations

from collections.abc import Mapping

REFUSED: Mapping[str, Mapping[str, str]] = {
    "input": {
        "stdin": "a pipeline runs in a daemon, which has no terminal; use file, tcp or http",
        "jdbc": "there is no JDBC here",
        "redis": "there is no client of Redis here; Filebeat and tcp bring the same",
        "s3": "objects are not followed yet",
    },
    "output": {
        "email": "nothing here sends mail; use http",
        "redis": "there is no client of Redis here",
        "s3": "objects are not written yet",
    },
}
