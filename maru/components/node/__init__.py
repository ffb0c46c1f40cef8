"""The node: Pods become containers here. It stands in for the kubelet.

Proven by kubectl (run, logs, exec, attach, cp, port-forward, debug), the Python client and kopf. It
makes sandboxes and volumes, starts and probes containers, keeps their logs, and tells the API what
they are; a restart of Maru adopts what runs. The README lists what it does not do.
"""
