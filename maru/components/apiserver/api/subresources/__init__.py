"""Subresources and kinds that do something instead of being a document."""
