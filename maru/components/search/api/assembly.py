"""All routes of the port."""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.search.api.aliasing import AliasApi
from maru.components.search.api.async_searches import AsyncSearchApi
from maru.components.search.api.cluster import ClusterApi
from maru.components.search.api.copying import CopyApi
from maru.components.search.api.documents import DocumentApi
from maru.components.search.api.edge import Route
from maru.components.search.api.house import House
from maru.components.search.api.indexing import IndexApi
from maru.components.search.api.ingesting import IngestApi
from maru.components.search.api.inquiries import InquiryApi
from maru.components.search.api.nodes import NodeApi
from maru.components.search.api.placement import PlacementApi
from maru.components.search.api.ranking import RankingApi
from maru.components.search.api.search_templates import SearchTemplateApi
from maru.components.search.api.searches import SearchApi
from maru.components.search.api.snapshots import SnapshotApi
from maru.components.search.api.sql import SqlApi
from maru.components.search.api.statistics import StatisticsApi
from maru.components.search.api.streams import StreamApi
from maru.components.search.api.tables import CatApi
from maru.components.search.api.tasks import TaskApi
from maru.components.search.api.templating import TemplateApi
from maru.components.search.api.term_vectors import TermVectorApi


def routes_of(house: House) -> Sequence[Route]:
    """Each edge's routes in line."""
    documents, searches, cluster = DocumentApi(house), SearchApi(house), ClusterApi(house)
    edges = (
        documents,
        TermVectorApi(house, documents),
        searches,
        AsyncSearchApi(house, searches),
        SearchTemplateApi(house, searches),
        TaskApi(house),
        IndexApi(house),
        cluster,
        PlacementApi(house, cluster),
        RankingApi(house, searches),
        CatApi(house),
        TemplateApi(house),
        CopyApi(house),
        SqlApi(house),
        AliasApi(house),
        InquiryApi(house),
        IngestApi(house),
        StreamApi(house),
        SnapshotApi(house),
        NodeApi(house),
        StatisticsApi(house),
    )
    return [route for edge in edges for route in edge.routes()]
