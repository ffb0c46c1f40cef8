"""What brings containers, volumes and their documents right."""
