"""Filter plugins: what is done to events on their way."""
