"""The Docker Engine API over Maru's own runtime, images and networks.

Stands in for dockerd: the docker command line and its SDKs work against it. Containers and volumes are
documents too (`kubectl get containers.engine.maru.dev`).
"""
