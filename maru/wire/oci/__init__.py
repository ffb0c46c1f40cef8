"""OCI and Docker image formats as values: references, descriptors, manifests, registry challenges."""
