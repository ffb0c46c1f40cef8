"""The Docker Engine API's bytes and words: frames, filters, moments, sizes, names. Source: Docker Engine API v1.50."""
