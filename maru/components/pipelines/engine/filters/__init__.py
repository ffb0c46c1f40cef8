"""Filters that ask elsewhere or wait; those that only compute stand in model/filters."""
