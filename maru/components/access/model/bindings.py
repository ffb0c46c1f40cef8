"""Who the standard roles are bound to.

A controller's role is bound to its service account, as in a real cluster, and to the user of the
role's own name, as which Maru's controllers act. Nodes may renew their own certificates and
bootstrapping nodes may ask for one, which kubeadm sets up in other clusters.
Source: kube-apiserver 1.36's defaults; kubeadm's bootstrap-token phase.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.access.model.controller_roles import PREFIX, controller_roles
from maru.components.access.model.grammar import account, binding, group, user
from maru.core.access import GROUP_AUTHENTICATED, GROUP_MASTERS, GROUP_NODES, GROUP_UNAUTHENTICATED
from maru.core.document import Value

GROUP_BOOTSTRAPPERS = "system:bootstrappers"
_REQUESTS = "system:certificates.k8s.io:certificatesigningrequests:"


def bindings() -> Sequence[Value]:
    """All of them, ClusterRoleBindings."""
    return [*_system(), *_certificates(), *_controllers()]


def _system() -> Sequence[Value]:
    return (
        binding("cluster-admin", group(GROUP_MASTERS)),
        binding("system:monitoring", group("system:monitoring")),
        binding("system:discovery", group(GROUP_AUTHENTICATED)),
        binding("system:basic-user", group(GROUP_AUTHENTICATED)),
        binding("system:public-info-viewer", group(GROUP_AUTHENTICATED), group(GROUP_UNAUTHENTICATED)),
        binding("system:service-account-issuer-discovery", group("system:serviceaccounts")),
        binding("system:kube-scheduler", user("system:kube-scheduler")),
        binding("system:volume-scheduler", user("system:kube-scheduler")),
        binding("system:kube-controller-manager", user("system:kube-controller-manager")),
        binding("system:kube-dns", account("kube-dns"), user("system:kube-dns")),
        binding("system:node-proxier", user("system:kube-proxy")),
        binding("system:node"),  # nobody: nodes are answered by the node authorizer
    )


def _certificates() -> Sequence[Value]:
    return (
        binding("maru:kubelet-bootstrap", group(GROUP_BOOTSTRAPPERS), role="system:node-bootstrapper"),
        binding("maru:node-autoapprove-bootstrap", group(GROUP_BOOTSTRAPPERS), role=f"{_REQUESTS}nodeclient"),
        binding("maru:node-autoapprove-certificate-rotation", group(GROUP_NODES), role=f"{_REQUESTS}selfnodeclient"),
    )


def _controllers() -> Sequence[Value]:
    names = [role["metadata"]["name"] for role in controller_roles()]
    return [binding(name, account(name.removeprefix(PREFIX)), user(name)) for name in names]
