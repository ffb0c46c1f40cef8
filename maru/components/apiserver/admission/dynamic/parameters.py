"""The parameters a binding gives its policy: no, one or several documents of the policy's paramKind.

Source: Kubernetes docs, "Validating Admission Policy", parameter resources.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.apiserver.admission.review import Review
from maru.components.apiserver.model.catalog import Catalog
from maru.core.document import Value, key_of
from maru.core.store.interface import Store
from maru.kinds.label_selector import from_selector


class Unconfigured(Exception):
    """The policy or binding cannot be used as it stands."""


async def parameters_of(
    store: Store, catalog: Catalog, policy: Value, binding: Value, review: Review
) -> Sequence[Value | None]:
    """Each is evaluated with; (None,) without parameters, () if nothing is found and that is allowed.

    Raises Unconfigured.
    """
    kind, reference = policy["spec"].get("paramKind"), binding["spec"].get("paramRef")
    if not kind or reference is None:
        return (None,)
    group, _, version = (kind.get("apiVersion") or "").rpartition("/")
    served = catalog.of_kind(group, version, kind.get("kind") or "")
    if served is None:
        shown = f"{kind.get('apiVersion')}, Kind={kind.get('kind')}"
        raise Unconfigured(f"failed to find resource referenced by paramKind: '{shown}'")
    namespace = ""
    if served.resource.namespaced:
        namespace = reference.get("namespace") or review.namespace
        if not namespace:
            raise Unconfigured("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
    elif reference.get("namespace"):
        raise Unconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    if reference.get("name"):
        document = store.get(key_of(served.stored, namespace, reference["name"]))
        found = [] if document is None else [document.value]
    else:
        wanted = from_selector(reference.get("selector") or {})
        documents = store.list(served.stored.storage, namespace).documents
        found = [one.value for one in documents if wanted.matches(one.metadata.get("labels") or {})]
    if not found and reference.get("parameterNotFoundAction", "Deny") != "Allow":
        raise Unconfigured("no params found for policy binding with `Deny` parameterNotFoundAction")
    if served.conversion is not None:
        return await served.conversion.from_stored(found)
    return found
