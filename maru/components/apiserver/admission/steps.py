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
from maru.components.apiserver.admission.dynamic.checking import AdmissionConfiguration
from maru.components.apiserver.admission.dynamic.policies import MutatingPolicies, ValidatingPolicies
from maru.components.apiserver.admission.dynamic.webhooks import Dynamic, MutatingWebhooks, ValidatingWebhooks
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


def all_steps(builtin: Sequence[Step], dynamic: Dynamic, catalog: Catalog) -> Sequence[Step]:
    """The built-in steps with policies and webhooks between them, before the last one, the quota."""
    *before, quota = builtin
    configured: Sequence[Step] = (
        AdmissionConfiguration(dynamic.expressions),
        MutatingPolicies(dynamic, catalog),
        MutatingWebhooks(dynamic),
        ValidatingPolicies(dynamic, catalog),
        ValidatingWebhooks(dynamic),
    )
    return [*before, *configured, quota]


def builtin_steps(store: Store, catalog: Catalog, book: RoleBook, clock: Clock, ids: Ids) -> Sequence[Step]:
    """All built-in steps; the quota is the last one."""
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
