"""The one store of documents: durable writes, local reads, watches from any kept revision."""
