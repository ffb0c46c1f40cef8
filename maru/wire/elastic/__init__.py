"""The Elasticsearch REST protocol: bodies, bulk lines, media types, query languages, cat tables.

Source: Elasticsearch 8 REST API reference; OpenSearch API specification where it says more.
"""
