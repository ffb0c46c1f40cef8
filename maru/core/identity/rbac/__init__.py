"""Role-based access control as pure rules: what a rule allows, what covers what, what a caller may do.

Source: Kubernetes, "Using RBAC Authorization"; pkg/apis/rbac/v1/evaluation_helpers.go and
pkg/registry/rbac/validation.
"""
