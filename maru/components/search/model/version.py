"""The release that clients are told: the API of it is what is spoken here.

Source: Elasticsearch 8.19, org.elasticsearch.Version and IndexVersions.
"""

from __future__ import annotations

VERSION = "8.19.3"
LUCENE = "9.12.2"
INDEX_VERSION = 8_537_000
