"""Search: the Elasticsearch REST API over tantivy, behind a write-ahead log of our own.

Stands in for Elasticsearch and OpenSearch on one machine. Proven by elasticsearch-py 8 and 9, opensearch-py
and curl. Index definitions are documents of search.maru.dev; the documents that are searched live in the
component's folder. It does not run scripts in Painless, several shards, or machine learning.
"""
