"""Objects on disk: the index, the files, their encryption."""
