"""The order of admission, as the real server's recommended plugin order has it.

Source: k8s.io/kubernetes/pkg/kubeapiserver/options/plugins.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.apiserver.admission.defaults import (
    DefaultIngressClass,
    DefaultStorageClass,
    StorageObjectInUseProtection,
)
from maru.components.apiserver.admission.limits import LimitRanger
from maru.components.apiserver.admission.namespaces import NamespaceLifecycle
from maru.components.apiserver.admission.nodes import NodeRestriction
from maru.components.apiserver.admission.pod_security import PodSecurity
from maru.components.apiserver.admission.pods import (
    DefaultTolerationSeconds,
    Priority,
    RuntimeClass,
    TaintNodesByCondition,
)
from maru.components.apiserver.admission.quotas import ResourceQuota
from maru.components.apiserver.admission.review import Step
from maru.components.apiserver.admission.roles import CertificateRequests, Escalation, OwnerReferences
from maru.components.apiserver.admission.service_accounts import ServiceAccounts
from maru.components.apiserver.model.catalog import Catalog
from maru.core.clock import Clock
from maru.core.identity.rbac.rolebook import RoleBook
from maru.core.ids import Ids
from maru.core.store.interface import Store


def builtin_steps(store: Store, catalog: Catalog, book: RoleBook, clock: Clock, ids: Ids) -> Sequence[Step]:
    """All built-in steps; webhooks and policies belong before the last one, the quota."""
    return [
        NamespaceLifecycle(store),
        LimitRanger(store),
        ServiceAccounts(store, ids),
        NodeRestriction(store),
        TaintNodesByCondition(),
        PodSecurity(store),
        Priority(store),
        DefaultTolerationSeconds(),
        DefaultStorageClass(store),
        StorageObjectInUseProtection(),
        OwnerReferences(book, catalog),
        RuntimeClass(store),
        Escalation(book),
        CertificateRequests(book, clock),
        DefaultIngressClass(store),
        ResourceQuota(store),
    ]
