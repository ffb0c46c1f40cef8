"""Pure rules of swarm mode: specifications, placement, which tasks there should be, what their containers are."""
