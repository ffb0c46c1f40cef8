"""The loops of the node: one worker per Pod, its probes, its status, the node's own heartbeat."""
