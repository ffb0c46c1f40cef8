"""The functions that expressions may call, as Kubernetes 1.36 has them."""
