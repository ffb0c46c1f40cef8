"""The list of strategies, one line per kind that has one; names of documents follow each kind's rule."""

from __future__ import annotations

from maru.kinds import access, admission, apps, batch, core, networking, pods, policy, services, storage
from maru.kinds.columns import cluster as shown
from maru.kinds.columns.cells import AGE_COLUMN, NAME
from maru.kinds.columns.core import COMPONENTSTATUS_COLUMNS
from maru.kinds.columns.workloads import SCALE_COLUMNS
from maru.kinds.shown import Shown
from maru.kinds.strategy import Strategy, StrategyTable


def strategies() -> StrategyTable:
    """All kinds with behaviour or columns of their own."""
    return StrategyTable({**_core(), **_workloads(), **_access(), **_network(), **_storage(), **_machinery()})


def _core() -> dict[str, Strategy]:
    return {
        "pods": pods.PodStrategy(),
        "podtemplates": pods.PodTemplateStrategy(),
        "services": services.ServiceStrategy(),
        "configmaps": core.ConfigMapStrategy(),
        "secrets": core.SecretStrategy(),
        "namespaces": core.NamespaceStrategy(),
        "nodes": core.NodeStrategy(),
        "events": core.EventStrategy(),
        "events.events.k8s.io": core.RegardingEventStrategy(),
        "serviceaccounts": core.ServiceAccountStrategy(),
        "endpoints": core.EndpointsStrategy(),
        "replicationcontrollers": core.ReplicationControllerStrategy(),
        "persistentvolumes": storage.PersistentVolumeStrategy(),
        "persistentvolumeclaims": storage.PersistentVolumeClaimStrategy(),
        "limitranges": core.LimitRangeStrategy(),
        "resourcequotas": core.ResourceQuotaStrategy(),
        "componentstatuses": Shown(COMPONENTSTATUS_COLUMNS, has_status=False),
    }


def _workloads() -> dict[str, Strategy]:
    return {
        "deployments.apps": apps.DeploymentStrategy(),
        "replicasets.apps": apps.ReplicaSetStrategy(),
        "statefulsets.apps": apps.StatefulSetStrategy(),
        "daemonsets.apps": apps.DaemonSetStrategy(),
        "controllerrevisions.apps": apps.ControllerRevisionStrategy(),
        "jobs.batch": batch.JobStrategy(),
        "cronjobs.batch": batch.CronJobStrategy(),
        "horizontalpodautoscalers.autoscaling": policy.AutoscalerStrategy(),
        "poddisruptionbudgets.policy": policy.DisruptionBudgetStrategy(),
        "scales.autoscaling": Shown(SCALE_COLUMNS),
    }


def _access() -> dict[str, Strategy]:
    return {
        "roles.rbac.authorization.k8s.io": access.RoleStrategy(is_cluster=False),
        "clusterroles.rbac.authorization.k8s.io": access.RoleStrategy(is_cluster=True),
        "rolebindings.rbac.authorization.k8s.io": access.BindingStrategy(is_cluster=False),
        "clusterrolebindings.rbac.authorization.k8s.io": access.BindingStrategy(is_cluster=True),
        "certificatesigningrequests.certificates.k8s.io": access.SigningRequestStrategy(),
    }


def _network() -> dict[str, Strategy]:
    return {
        "ingresses.networking.k8s.io": networking.IngressStrategy(),
        "ingressclasses.networking.k8s.io": networking.IngressClassStrategy(),
        "networkpolicies.networking.k8s.io": networking.NetworkPolicyStrategy(),
        "servicecidrs.networking.k8s.io": networking.ServiceCidrStrategy(),
        "ipaddresses.networking.k8s.io": networking.IpAddressStrategy(),
        "endpointslices.discovery.k8s.io": networking.EndpointSliceStrategy(),
    }


def _storage() -> dict[str, Strategy]:
    return {
        "storageclasses.storage.k8s.io": storage.StorageClassStrategy(),
        "volumeattachments.storage.k8s.io": storage.VolumeAttachmentStrategy(),
        "volumeattributesclasses.storage.k8s.io": storage.VolumeAttributesClassStrategy(),
        "csinodes.storage.k8s.io": storage.CsiNodeStrategy(),
        "csidrivers.storage.k8s.io": storage.CsiDriverStrategy(),
        "csistoragecapacities.storage.k8s.io": storage.CapacityStrategy(),
    }


def _machinery() -> dict[str, Strategy]:
    return {
        "priorityclasses.scheduling.k8s.io": policy.PriorityClassStrategy(),
        "runtimeclasses.node.k8s.io": policy.RuntimeClassStrategy(),
        "leases.coordination.k8s.io": policy.LeaseStrategy(),
        "mutatingwebhookconfigurations.admissionregistration.k8s.io": admission.WebhookConfigurationStrategy(
            is_mutating=True
        ),
        "validatingwebhookconfigurations.admissionregistration.k8s.io": admission.WebhookConfigurationStrategy(
            is_mutating=False
        ),
        "validatingadmissionpolicies.admissionregistration.k8s.io": admission.AdmissionPolicyStrategy(
            shown.ADMISSIONPOLICY_COLUMNS
        ),
        "mutatingadmissionpolicies.admissionregistration.k8s.io": admission.AdmissionPolicyStrategy(
            shown.MUTATINGADMISSIONPOLICY_COLUMNS
        ),
        "validatingadmissionpolicybindings.admissionregistration.k8s.io": admission.AdmissionPolicyBindingStrategy(),
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io": admission.AdmissionPolicyBindingStrategy(),
        "flowschemas.flowcontrol.apiserver.k8s.io": admission.FlowSchemaStrategy(),
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": admission.PriorityLevelStrategy(),
        "apiservices.apiregistration.k8s.io": admission.ApiServiceStrategy(),
        "resourceclaims.resource.k8s.io": Shown(shown.RESOURCECLAIM_COLUMNS),
        "resourceslices.resource.k8s.io": Shown(shown.RESOURCESLICE_COLUMNS, has_status=False, has_generation=True),
        "resourceclaimtemplates.resource.k8s.io": Shown((NAME, AGE_COLUMN), has_status=False),
        "deviceclasses.resource.k8s.io": Shown((NAME, AGE_COLUMN), has_status=False, has_generation=True),
    }
