"""The whole library, built once by whoever compiles expressions."""

from __future__ import annotations

from maru.wire.cel.functions import Library, library
from maru.wire.cel.library import formats, lists, network, patterns, quantities, standard, strings, times


def kubernetes_library() -> Library:
    """Every function of Kubernetes 1.36 but those of the authorizer and of JSON patches."""
    parts = (standard, strings, lists, times, patterns, network, quantities, formats)
    return library(*(part.entries() for part in parts))
