"""Loops of access: the role book follows the store, aggregated roles follow what they gather."""
