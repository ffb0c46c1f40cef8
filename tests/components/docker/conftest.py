"""The Docker API stands on a real engine: the engine's own fixtures."""

from tests.components.engine.conftest import layer, needs, site

__all__ = ["layer", "needs", "site"]
