"""Real containers keep the promises of the contract, and survive the process that started them."""

from __future__ import annotations

import pytest

from tests.suites.runtime import RuntimeSuite

pytestmark = pytest.mark.root


class TestRuntime(RuntimeSuite):
    """With crun or runc, whichever works here."""
