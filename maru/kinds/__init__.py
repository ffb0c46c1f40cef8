"""Typed views, defaults and validation of documents, one file per API group; no behaviour."""
