"""The data plane of search: the log, tantivy's partitions, and what reads them; its calls block."""
