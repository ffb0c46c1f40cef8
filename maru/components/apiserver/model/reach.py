"""How far each way of writing reaches into a document: what it does not reach stays as it was.

Pure. `document` is changed in place; `whole` is a copy of what stands there, whose parts may be used.
Source: PrepareForUpdate of each strategy in k8s.io/kubernetes/pkg/registry; apiextensions-apiserver
pkg/registry/customresource/status_strategy.go.
"""

from __future__ import annotations

from maru.core.document import Value

_OWN = frozenset({"apiVersion", "kind", "metadata"})


def keep(document: Value, whole: Value, subresource: str, *, has_status: bool, is_custom: bool) -> None:
    """Carry over from `whole` what this subresource ("" for the main resource) does not reach."""
    if subresource == "":
        if has_status:
            _take(document, whole, "status")
    elif subresource == "status":
        _keep_all_but(document, whole, "status")
        if is_custom:
            tracked = document["metadata"].get("managedFields")
            document["metadata"] = whole["metadata"]
            if tracked is not None:
                document["metadata"]["managedFields"] = tracked
    elif subresource == "ephemeralcontainers":
        wanted = (document.get("spec") or {}).get("ephemeralContainers")
        _keep_all_but(document, whole, "")
        if wanted is not None:
            document["spec"]["ephemeralContainers"] = wanted
    elif subresource == "resize":
        _keep_resources(document, whole)
    elif subresource == "approval":
        wanted = (document.get("status") or {}).get("conditions")
        _keep_all_but(document, whole, "")
        if wanted is not None:
            document.setdefault("status", {})["conditions"] = wanted
    elif subresource == "finalize":
        wanted = (document.get("spec") or {}).get("finalizers")
        _keep_all_but(document, whole, "")
        document.setdefault("spec", {}).pop("finalizers", None)
        if wanted:
            document["spec"]["finalizers"] = wanted


def _keep_resources(document: Value, whole: Value) -> None:
    """Of a resize only the resources and resize policies of containers count, by name."""
    wanted_spec = document.get("spec") or {}
    _keep_all_but(document, whole, "")
    for field in ("containers", "initContainers"):
        wanted = {one.get("name"): one for one in wanted_spec.get(field) or ()}
        for container in document["spec"].get(field) or ():
            changed = wanted.get(container.get("name"))
            if changed is None:
                continue
            for name in ("resources", "resizePolicy"):
                _take(container, changed, name)
    if "resources" in wanted_spec or "resources" in document["spec"]:
        _take(document["spec"], wanted_spec, "resources")


def _keep_all_but(document: Value, whole: Value, name: str) -> None:
    for own in [own for own in document if own not in _OWN and own != name]:
        del document[own]
    for own, value in whole.items():
        if own not in _OWN and own != name:
            document[own] = value


def _take(document: Value, source: Value, name: str) -> None:
    if name in source:
        document[name] = source[name]
    else:
        document.pop(name, None)
