"""The Kubernetes API's wire: paths, bodies, selectors, patches, tables, discovery and schemas."""
