"""Scale: how many replicas, of any kind that has them.

Pure. Source: autoscaling/v1 Scale; k8s.io/kubernetes/pkg/registry/apps/*/storage (ScaleREST);
Kubernetes docs, "Extend the Kubernetes API with CustomResourceDefinitions", scale subresource.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.apiserver.model.catalog import ScalePaths, Served
from maru.core.document import Value

BUILTIN_PATHS = ScalePaths("spec.replicas", "status.replicas")
_COUNTED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def paths_of(served: Served) -> ScalePaths:
    """Where the kind keeps its replicas."""
    if served.custom is not None and served.custom.scale is not None:
        return served.custom.scale
    return BUILTIN_PATHS


def scale_of(served: Served, value: Value) -> Value:
    """The Scale that shows `value`."""
    paths = paths_of(served)
    metadata: Value = {name: value["metadata"][name] for name in _COUNTED if name in value["metadata"]}
    spec: Value = {}
    replicas = _at(value, paths.replicas)
    if isinstance(replicas, int) and replicas:
        spec["replicas"] = replicas
    observed = _at(value, paths.status_replicas)
    status: Value = {"replicas": observed if isinstance(observed, int) else 0}
    selector = _selector(served, value, paths)
    if selector:
        status["selector"] = selector
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def with_replicas(served: Served, value: Value, replicas: int) -> None:
    """Set the replicas of `value` (changed in place)."""
    *parents, last = paths_of(served).replicas.split(".")
    place = value
    for part in parents:
        place = place.setdefault(part, {})
    place[last] = replicas


def _selector(served: Served, value: Value, paths: ScalePaths) -> str:
    if served.custom is not None:
        found = _at(value, paths.selector) if paths.selector else ""
        return found if isinstance(found, str) else ""
    selector = (value.get("spec") or {}).get("selector")
    if served.stored.storage == "replicationcontrollers":
        return ",".join(f"{key}={text}" for key, text in sorted((selector or {}).items()))
    return selector_text(selector) if selector else ""


def selector_text(selector: Value) -> str:
    """A LabelSelector in its query string form, terms ascending by key."""
    terms = [(key, f"{key}={text}") for key, text in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or ():
        key, values = one["key"], ",".join(sorted(one.get("values") or ()))
        text = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }[one["operator"]]
        terms.append((key, text))
    return ",".join(text for _, text in sorted(terms))


def _at(value: Mapping[str, object], path: str) -> object:
    found: object = value
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
