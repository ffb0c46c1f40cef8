"""What the registry writes to disk beside the content itself."""
