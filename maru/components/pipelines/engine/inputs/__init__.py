"""Input plugins: where events come from."""
