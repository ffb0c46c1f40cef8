"""Certificates: the built-in signers of CertificateSigningRequests, and the CA bundle in every namespace.

Stands in for kube-controller-manager's csrsigning, csrapproving, csrcleaner and root-ca-cert-publisher.
Proven by `kubectl certificate approve` and openssl's requests. It signs for kubernetes.io signers only;
other signerNames are left to whoever serves them.
"""
