"""Builds, step by step."""
