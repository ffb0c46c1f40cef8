"""What search keeps in the store, and what it does by itself over time."""
