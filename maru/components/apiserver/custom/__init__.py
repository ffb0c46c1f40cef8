"""CustomResourceDefinitions: from a document that defines a kind to the kind being served."""
