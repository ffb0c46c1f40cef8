"""Ingest pipelines: processors over one document."""
