"""Containers and images of this machine.

Stands in for containerd or dockerd with runc. Containers are real: overlay root, namespaces and control
groups by crun or runc, held by conmon so that they outlive every process of Maru. Images come from
registries, archives or this machine's own busybox.
"""
