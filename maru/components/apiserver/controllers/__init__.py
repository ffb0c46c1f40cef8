"""What the API server keeps right by itself."""
