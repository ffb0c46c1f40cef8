"""The Kubernetes API server, generic over every built-in kind and over custom resources.

Stands in for kube-apiserver 1.36: discovery, OpenAPI, all verbs and patch types, watch with
bookmarks, Tables, field validation, server-side apply, admission, subresources, CRDs. Proven with
kubectl 1.30, 1.33 and 1.36, helm 4 and the Python clients. It does not make protobuf answers and has
no aggregation layer: an APIService that names a Service is kept, not proxied to.
"""
