"""The HTTP front: listeners, TLS, callers' certificates, bodies with bounds, upgrades.

`serve([TcpListener(...), UnixListener(...)], handler)` answers until its scope is left;
`message.py` is what a handler sees and gives.
"""
