"""The files of a build: what it is sent, and what it copies."""
