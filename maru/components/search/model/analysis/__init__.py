"""How text becomes tokens: tokenizers, filters, analyzers."""
