"""What touches files: volumes, logs, sandboxes, images' user databases."""
