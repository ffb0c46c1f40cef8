"""The kinds of search.maru.dev: what indices are, templates, data streams, policies, pipelines, settings.

They hold objects of the Elasticsearch API, which grow by themselves; so the schema keeps what it does not
name. Source: apiextensions.k8s.io/v1, CustomResourceDefinition.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from maru.core.document import Resource, Value
from maru.kinds import custom

GROUP = "search.maru.dev"


def _kind(plural: str, kind: str) -> Resource:
    return Resource(GROUP, "v1", plural, kind, namespaced=False)


INDICES = _kind("indices", "Index")
TEMPLATES = _kind("indextemplates", "IndexTemplate")
LEGACY_TEMPLATES = _kind("legacytemplates", "LegacyTemplate")
COMPONENT_TEMPLATES = _kind("componenttemplates", "ComponentTemplate")
DATA_STREAMS = _kind("datastreams", "DataStream")
POLICIES = _kind("lifecyclepolicies", "LifecyclePolicy")
PIPELINES = _kind("ingestpipelines", "IngestPipeline")
SCRIPTS = _kind("storedscripts", "StoredScript")
REPOSITORIES = _kind("snapshotrepositories", "SnapshotRepository")
SETTINGS = _kind("clustersettings", "ClusterSettings")
KINDS = (
    INDICES,
    TEMPLATES,
    LEGACY_TEMPLATES,
    COMPONENT_TEMPLATES,
    DATA_STREAMS,
    POLICIES,
    PIPELINES,
    SCRIPTS,
    REPOSITORIES,
    SETTINGS,
)

_CALLED = ("Called", ".spec.name")
_COLUMNS: Mapping[str, Sequence[custom.Column]] = {
    "Index": (_CALLED, ("State", ".spec.state"), ("UUID", ".spec.uuid")),
    "DataStream": (_CALLED, ("Template", ".spec.template"), ("Generation", ".spec.generation")),
}


def definition(resource: Resource) -> Value:
    """The CustomResourceDefinition of a kind."""
    return custom.definition(resource, None, _COLUMNS.get(resource.kind, (_CALLED,)), is_status_apart=False)


def document_name(name: str) -> str:
    """The name of the document for a name of the API, which may hold what a document's cannot."""
    if (
        re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name)
        and len(name) <= 200
        and ".." not in name
        and ".-" not in name
        and "-." not in name
    ):
        return name
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:150]
    return f"{plain or 'x'}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
