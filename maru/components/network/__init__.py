"""The network of a node: addresses for Pods, Services that forward, ways to the other nodes.

Stands in for a CNI plugin (bridge, host-local, portmap) and for kube-proxy. Proven by what kubectl
users do: curl a Service, a NodePort or a hostPort, from Pods and from the machine. It does not do
IPv6, topology hints and overlays: nodes must share a link.
"""
