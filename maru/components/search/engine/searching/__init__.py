"""One search: what is found, in what order, and what is shown of it."""
