"""What follows from accounts: their namespaces."""
