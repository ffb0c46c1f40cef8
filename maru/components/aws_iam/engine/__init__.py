"""Work of IAM that takes its time: password hashes, keys and certificates."""
