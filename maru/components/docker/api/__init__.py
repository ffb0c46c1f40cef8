"""The edges: the Docker Engine API on a unix socket, one file per noun."""
