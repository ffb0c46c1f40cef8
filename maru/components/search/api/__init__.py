"""The edges of search: one file per noun of the REST API."""
