"""All routes of the port."""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.search.api.cluster import ClusterApi
from maru.components.search.api.documents import DocumentApi
from maru.components.search.api.edge import Route
from maru.components.search.api.house import House
from maru.components.search.api.indexing import IndexApi
from maru.components.search.api.searches import SearchApi


def routes_of(house: House) -> Sequence[Route]:
    """Each edge's routes in line."""
    edges = (DocumentApi(house), SearchApi(house), IndexApi(house), ClusterApi(house))
    return [route for edge in edges for route in edge.routes()]
