"""The rules of search: mappings, analysis, queries, aggregations, pipelines; values in, values out."""
