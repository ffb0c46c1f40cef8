"""What happens without a request: expiry, and collection of what nobody names."""
