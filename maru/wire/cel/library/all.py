"""The whole library, built once by whoever compiles expressions."""

from __future__ import annotations

from collections.abc import Iterable

from maru.wire.cel.functions import Entry, Library, library
from maru.wire.cel.library import formats, lists, network, patterns, quantities, standard, strings, times


def kubernetes_library(more: Iterable[Entry] = ()) -> Library:
    """Every function of Kubernetes 1.36 but those of the authorizer and of JSON patches, and `more`."""
    parts = (standard, strings, lists, times, patterns, network, quantities, formats)
    return library(*(part.entries() for part in parts), more)
