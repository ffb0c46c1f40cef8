"""What keeps the zone in step with Services, and the DNS Service itself in being."""
