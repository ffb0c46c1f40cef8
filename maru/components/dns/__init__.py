"""Cluster DNS: the names of Services and Pods, and the way out to the machine's own resolvers.

Stands in for CoreDNS with its kubernetes, forward and cache plugins. Proven by dnspython and by the
resolvers of libc within Pods. It speaks the Kubernetes DNS specification 1.1 over UDP and TCP; it
does not do DNSSEC signatures of its own, zone transfer, stub domains and IPv6 addresses of Services
that have none.
"""
