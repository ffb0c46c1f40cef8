"""What time does to keys: deletion, expiry, rotation."""
