"""SPDY/3.1 frames: what kubectl up to 1.30, and port-forward in any version, speak after the upgrade."""
