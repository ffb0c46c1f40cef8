"""The controllers that bring documents right, as kube-controller-manager does.

Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs, namespaces, service accounts,
garbage collection, endpoints, node lifecycle, autoscaling, budgets and quotas: each watches the kinds it cares
about and writes what follows from them. Proven by kubectl rollout, wait and describe, and by
helm --wait. What it does not do stands in README.md.
"""
