"""podman's own API (libpod) over the containers, images and networks of this platform.

Stands in for `podman system service`: podman --remote and podman-py work against its socket, and docker's
clients, too. A third dialect: what docker started podman shows, and the other way round. Pods are containers
that share the namespaces of an infra container. No checkpoints, no quadlets, no play kube; see README.md.
"""
