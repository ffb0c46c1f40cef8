"""A tour of the docker command line, and another engine to compare with."""
