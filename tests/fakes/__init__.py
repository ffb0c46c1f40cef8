"""Fakes that pass the same suites as the real things."""

from tests.fakes.client import FakeClient, FakeClients
from tests.fakes.clock import FakeClock

__all__ = ["FakeClient", "FakeClients", "FakeClock"]
