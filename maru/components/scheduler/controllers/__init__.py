"""What the scheduler does: it listens, places, binds, and makes room."""
