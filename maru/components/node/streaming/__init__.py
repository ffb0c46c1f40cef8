"""Exec, attach and port-forward streams over WebSocket and SPDY/3.1, behind one interface."""
