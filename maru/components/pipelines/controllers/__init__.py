"""What keeps the running pipelines as documents and files want them."""
