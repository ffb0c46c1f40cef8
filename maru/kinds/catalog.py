"""The list of strategies, one line per kind that has one; names of documents follow each kind's rule."""

from __future__ import annotations

from maru.kinds import apps, batch, cluster, core, pods, services
from maru.kinds.columns import cluster as shown
from maru.kinds.columns.cells import AGE_COLUMN, NAME
from maru.kinds.columns.core import COMPONENTSTATUS_COLUMNS
from maru.kinds.columns.workloads import SCALE_COLUMNS
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
        "persistentvolumes": core.PersistentVolumeStrategy(),
        "persistentvolumeclaims": core.PersistentVolumeClaimStrategy(),
        "limitranges": core.LimitRangeStrategy(),
        "resourcequotas": core.ResourceQuotaStrategy(),
        "componentstatuses": cluster.Shown(COMPONENTSTATUS_COLUMNS, has_status=False),
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
        "horizontalpodautoscalers.autoscaling": cluster.AutoscalerStrategy(),
        "poddisruptionbudgets.policy": cluster.DisruptionBudgetStrategy(),
        "scales.autoscaling": cluster.Shown(SCALE_COLUMNS),
    }


def _access() -> dict[str, Strategy]:
    return {
        "roles.rbac.authorization.k8s.io": cluster.RoleStrategy(is_cluster=False),
        "clusterroles.rbac.authorization.k8s.io": cluster.RoleStrategy(is_cluster=True),
        "rolebindings.rbac.authorization.k8s.io": cluster.BindingStrategy(is_cluster=False),
        "clusterrolebindings.rbac.authorization.k8s.io": cluster.BindingStrategy(is_cluster=True),
        "certificatesigningrequests.certificates.k8s.io": cluster.SigningRequestStrategy(),
    }


def _network() -> dict[str, Strategy]:
    return {
        "ingresses.networking.k8s.io": cluster.IngressStrategy(),
        "ingressclasses.networking.k8s.io": cluster.Shown(shown.INGRESSCLASS_COLUMNS, has_generation=True),
        "networkpolicies.networking.k8s.io": cluster.NetworkPolicyStrategy(),
        "servicecidrs.networking.k8s.io": cluster.Shown(shown.SERVICECIDR_COLUMNS),
        "ipaddresses.networking.k8s.io": cluster.Shown(shown.IPADDRESS_COLUMNS, has_status=False),
        "endpointslices.discovery.k8s.io": cluster.EndpointSliceStrategy(),
    }


def _storage() -> dict[str, Strategy]:
    return {
        "storageclasses.storage.k8s.io": cluster.StorageClassStrategy(),
        "volumeattachments.storage.k8s.io": cluster.Shown(shown.VOLUMEATTACHMENT_COLUMNS),
        "volumeattributesclasses.storage.k8s.io": cluster.Shown(shown.VOLUMEATTRIBUTESCLASS_COLUMNS, has_status=False),
        "csinodes.storage.k8s.io": cluster.Shown(shown.CSINODE_COLUMNS, has_status=False),
        "csidrivers.storage.k8s.io": cluster.CsiDriverStrategy(),
        "csistoragecapacities.storage.k8s.io": cluster.Shown(shown.CSISTORAGECAPACITY_COLUMNS, has_status=False),
    }


def _machinery() -> dict[str, Strategy]:
    return {
        "priorityclasses.scheduling.k8s.io": cluster.PriorityClassStrategy(),
        "runtimeclasses.node.k8s.io": cluster.Shown(shown.RUNTIMECLASS_COLUMNS, has_status=False),
        "leases.coordination.k8s.io": cluster.Shown(shown.LEASE_COLUMNS, has_status=False),
        "mutatingwebhookconfigurations.admissionregistration.k8s.io": cluster.WebhookConfigurationStrategy(
            is_mutating=True
        ),
        "validatingwebhookconfigurations.admissionregistration.k8s.io": cluster.WebhookConfigurationStrategy(
            is_mutating=False
        ),
        "validatingadmissionpolicies.admissionregistration.k8s.io": cluster.AdmissionPolicyStrategy(
            shown.ADMISSIONPOLICY_COLUMNS
        ),
        "mutatingadmissionpolicies.admissionregistration.k8s.io": cluster.AdmissionPolicyStrategy(
            shown.MUTATINGADMISSIONPOLICY_COLUMNS
        ),
        "validatingadmissionpolicybindings.admissionregistration.k8s.io": cluster.AdmissionPolicyBindingStrategy(),
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io": cluster.AdmissionPolicyBindingStrategy(),
        "flowschemas.flowcontrol.apiserver.k8s.io": cluster.FlowSchemaStrategy(),
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": cluster.PriorityLevelStrategy(),
        "apiservices.apiregistration.k8s.io": cluster.Shown(shown.APISERVICE_COLUMNS),
        "resourceclaims.resource.k8s.io": cluster.Shown(shown.RESOURCECLAIM_COLUMNS),
        "resourceslices.resource.k8s.io": cluster.Shown(shown.RESOURCESLICE_COLUMNS, has_status=False),
        "resourceclaimtemplates.resource.k8s.io": cluster.Shown((NAME, AGE_COLUMN), has_status=False),
        "deviceclasses.resource.k8s.io": cluster.Shown((NAME, AGE_COLUMN), has_status=False),
    }
