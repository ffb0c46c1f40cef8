"""Buckets, metrics and pipelines over the documents found."""
