"""The kinds of search.maru.dev: what indices are, templates, data streams, policies, pipelines, settings.

They hold objects of the Elasticsearch API, which grow by themselves; so the schema keeps what it does not
name. Source: apiextensions.k8s.io/v1, CustomResourceDefinition.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from maru.core.document import Resource, Value

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
    SETTINGS,
)

_COLUMNS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Index": (("Called", ".spec.name"), ("State", ".spec.state"), ("UUID", ".spec.uuid")),
    "DataStream": (("Called", ".spec.name"), ("Template", ".spec.template"), ("Generation", ".spec.generation")),
}


def definition(resource: Resource) -> Value:
    """The CustomResourceDefinition of a kind."""
    open_object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    columns = [
        {"name": name, "type": "string", "jsonPath": path}
        for name, path in _COLUMNS.get(resource.kind, (("Called", ".spec.name"),))
    ]
    columns.append({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"})
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "scope": "Cluster",
            "names": {
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
            },
            "versions": [
                {
                    "name": resource.version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": open_object}}},
                    "additionalPrinterColumns": columns,
                }
            ],
        },
    }


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
