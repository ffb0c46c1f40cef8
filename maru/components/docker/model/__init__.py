"""Pure rules of docker containers."""
