"""What brings a swarm's services, tasks and secrets right."""
