"""Which kinds the API server serves now, for controllers that act on every kind there is.

Source of the model: Kubernetes API discovery, "preferred resources".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from maru.core.document import Resource


class KindsServed(Protocol):
    """Built-in kinds and those of established CustomResourceDefinitions."""

    def resources(self) -> Sequence[Resource]:
        """Every kind that can be listed, watched and deleted, each in its preferred version only.

        Subresources and kinds that are only posted (reviews, bindings) are left out. The answer
        changes as definitions come and go.
        """
        ...
