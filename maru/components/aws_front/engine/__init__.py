"""Reads service models from disk."""
