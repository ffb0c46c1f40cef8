"""JSON patch (RFC 6902), JSON merge patch (RFC 7386) and the choice between the patch types.

All functions leave their arguments alone and share unchanged parts with the result.
"""

from __future__ import annotations

from typing import Any

OPERATIONS_MAX = 10_000  # kube-apiserver's bound on a JSON patch


def json_patch(document: Any, operations: Any) -> Any:
    """Apply an RFC 6902 patch. Raises Malformed (not a patch) or PatchFailed (does not fit)."""
    raise NotImplementedError


def merge_patch(document: Any, patch: Any) -> Any:
    """Apply an RFC 7386 patch."""
    raise NotImplementedError
