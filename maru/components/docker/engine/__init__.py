"""Work on disk and on file systems of containers; everything here blocks and says so by name."""
