"""Where events wait between inputs and workers."""
