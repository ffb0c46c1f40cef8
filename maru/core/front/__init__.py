"""The HTTP front: listeners, TLS, callers' certificates, bodies with bounds, upgrades."""
