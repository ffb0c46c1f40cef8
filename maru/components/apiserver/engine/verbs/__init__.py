"""The verbs over the store, free of HTTP: what the edge and the in-process client share."""
