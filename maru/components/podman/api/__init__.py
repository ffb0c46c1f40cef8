"""The edges of libpod's API, one file for each noun."""
