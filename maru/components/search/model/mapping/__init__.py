"""How fields are defined, and how a document's values become columns."""
