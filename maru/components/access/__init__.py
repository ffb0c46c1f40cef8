"""Access: who asks, and what they may do.

Stands in for kube-apiserver's authentication and RBAC: client certificates from Maru's own authority,
service account tokens, root on the unix socket, impersonation, roles and bindings followed from the
store, the standard policy, the audit log. Proven by kubectl (certificates, `auth can-i`, `create
token`). It does not do webhook or OIDC authentication, nor audit policies finer than reads and writes.
"""
