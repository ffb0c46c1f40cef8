"""Pure rules of the API server: names, object metadata, conversions, admission decisions."""
