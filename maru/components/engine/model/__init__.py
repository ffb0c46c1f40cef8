"""Pure rules of containers and images."""
