"""The edge: bytes of HTTP to calls of services, and back."""
