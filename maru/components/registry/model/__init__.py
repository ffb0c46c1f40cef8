"""Pure rules: manifests, ranges, pages."""
