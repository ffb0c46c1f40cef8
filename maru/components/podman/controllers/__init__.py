"""What keeps pods, secrets and manifest lists, and asks the engine."""
