"""Dockerfiles: text to instructions, variables and words. Source: docs.docker.com/reference/dockerfile."""
