"""Key files: read and made off the loop."""
