"""Strategic merge patch: a merge patch that knows lists by their merge keys.

Directives: $patch (replace, delete, merge), $retainKeys, $setElementOrder/field,
$deleteFromPrimitiveList/field. Source: Kubernetes community, "strategic-merge-patch" design note.
"""

from __future__ import annotations

from maru.wire.k8s.schema import TypeNode, Value


def strategic_patch(node: TypeNode, document: Value, patch: Value) -> Value:
    """Apply `patch` to a document of type `node`; both are left alone.

    Raises Untyped (custom resources), Malformed (a broken directive) or PatchFailed.
    """
    raise NotImplementedError
