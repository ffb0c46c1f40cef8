"""Contracts: synchronous questions between components that are not state.

Each file is one contract: a Protocol, the frozen values it speaks in, and nothing else. Whoever
gives it and whoever needs it never import each other; a suite in `tests/suites/` holds for all.
"""
