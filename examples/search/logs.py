"""Logs into an index and out of it again, with Elasticsearch's own client: `eval "$(maru env)"` first."""

from __future__ import annotations

import os

from elasticsearch8 import Elasticsearch, helpers

client = Elasticsearch(os.environ["ELASTICSEARCH_URL"])
client.options(ignore_status=404).indices.delete(index="example-logs")
lines = [("info", "started"), ("error", "connection timed out"), ("error", "disk is nearly full")]
actions = [
    {"_index": "example-logs", "@timestamp": f"2024-01-01T10:00:0{at}Z", "level": level, "message": message}
    for at, (level, message) in enumerate(lines)
]
helpers.bulk(client, actions, refresh=True)

found = client.search(index="example-logs", q="level:error", sort="@timestamp:desc")
for hit in found["hits"]["hits"]:
    print(hit["_source"]["@timestamp"], hit["_source"]["message"])
counted = client.search(index="example-logs", size=0, aggs={"levels": {"terms": {"field": "level.keyword"}}})
print({one["key"]: one["doc_count"] for one in counted["aggregations"]["levels"]["buckets"]})
client.indices.delete(index="example-logs")
