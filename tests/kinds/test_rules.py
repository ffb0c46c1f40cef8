"""Documents of each kind are accepted or refused as the real server does, by the same fields and words."""

from __future__ import annotations

import pytest

from maru.core.document import Value
from tests.kinds.documents import GOOD, SELECTOR, TEMPLATE, causes_of, told

LONG = {"spec": {"selector": {"matchLabels": {"app": "y"}}}}
CASES = {
    ("deployments.apps", "no selector"): ({"spec": {"selector": None}}, "spec.selector: Required value"),
    ("deployments.apps", "other selector"): (
        LONG,
        'spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`',
    ),
    ("deployments.apps", "empty selector"): (
        {"spec": {"selector": {"matchLabels": None}}},
        "spec.selector: Invalid value: {}: empty selector is invalid for deployment",
    ),
    ("deployments.apps", "no surge and none away"): (
        {"spec": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}},
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    ),
    ("deployments.apps", "recreate rolling"): (
        {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}}},
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ),
    ("deployments.apps", "restart policy"): (
        {"spec": {"template": {"spec": {"restartPolicy": "Never"}}}},
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ),
    ("deployments.apps", "replicas"): (
        {"spec": {"replicas": -1}},
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    ),
    ("statefulsets.apps", "policy"): (
        {"spec": {"podManagementPolicy": "Any"}},
        "spec.podManagementPolicy: Invalid value: \"Any\": must be 'OrderedReady' or 'Parallel'",
    ),
    ("daemonsets.apps", "both"): (
        {"spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}}},
        "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero",
    ),
    ("jobs.batch", "restart policy"): (
        {"spec": {"template": {"spec": {"restartPolicy": "Always"}}}},
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ),
    ("jobs.batch", "indexed without number"): (
        {"spec": {"completionMode": "Indexed", "parallelism": 2}},
        "spec.completions: Required value: when completion mode is Indexed",
    ),
    ("jobs.batch", "failure policy"): (
        {"spec": {"podFailurePolicy": {"rules": [{"action": "FailJob"}]}}},
        'spec.podFailurePolicy.rules[0]: Invalid value: "": specifying one of OnExitCodes and OnPodConditions is required',
    ),
    ("jobs.batch", "exit codes out of order"): (
        {
            "spec": {
                "podFailurePolicy": {
                    "rules": [{"action": "Count", "onExitCodes": {"operator": "In", "values": [3, 2]}}]
                }
            }
        },
        "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,2]: must be ordered",
    ),
    ("jobs.batch", "success policy"): (
        {"spec": {"successPolicy": {"rules": []}, "completionMode": "Indexed", "completions": 2}},
        "spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified",
    ),
    ("cronjobs.batch", "no schedule"): ({"spec": {"schedule": ""}}, "spec.schedule: Required value"),
    ("cronjobs.batch", "zone in schedule"): (
        {"spec": {"schedule": "TZ=UTC 0 * * * *"}},
        'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
    ),
    ("cronjobs.batch", "zone"): (
        {"spec": {"timeZone": "Moon/Base"}},
        'spec.timeZone: Invalid value: "Moon/Base": unknown time zone Moon/Base',
    ),
    ("services", "no ports"): ({"spec": {"ports": []}}, "spec.ports: Required value"),
    ("services", "type"): (
        {"spec": {"type": "Odd"}},
        'spec.type: Unsupported value: "Odd": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ),
    ("services", "external name"): ({"spec": {"type": "ExternalName"}}, "spec.externalName: Required value"),
    ("services", "node port of a ClusterIP"): (
        {"spec": {"ports": [{"port": 80, "nodePort": 30000}]}},
        "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ),
    ("services", "headless node port"): (
        {"spec": {"type": "NodePort", "clusterIP": "None"}},
        "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
    ),
    ("services", "nameless ports"): (
        {"spec": {"ports": [{"port": 80}, {"port": 81}]}},
        "spec.ports[0].name: Required value",
    ),
    ("services", "affinity time"): (
        {"spec": {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}}},
        "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400",
    ),
    ("services", "traffic"): (
        {"spec": {"externalTrafficPolicy": "Local"}},
        'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ),
    ("services", "distribution"): (
        {"spec": {"trafficDistribution": "Near"}},
        'spec.trafficDistribution: Unsupported value: "Near": '
        'supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
    ),
    ("configmaps", "key"): (
        {"data": {"a b": ""}},
        "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
        "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    ),
    ("secrets", "tls"): ({"type": "kubernetes.io/tls"}, "data[tls.crt]: Required value"),
    ("nodes", "taint twice"): (
        {"spec": {"taints": [{"key": "a", "effect": "NoExecute"}, {"key": "a", "effect": "NoExecute"}]}},
        'spec.taints[1]: Duplicate value: {"key":"a","effect":"NoExecute"}: taints must be unique by key and effect pair',
    ),
    ("endpoints", "loopback"): (
        {"subsets": [{"addresses": [{"ip": "127.0.0.1"}]}]},
        'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ),
    ("persistentvolumes", "no source"): (
        {"spec": {"hostPath": None}},
        "spec: Required value: must specify a volume type",
    ),
    ("persistentvolumes", "two sources"): (
        {"spec": {"nfs": {"server": "s", "path": "/p"}}},
        "spec.nfs: Forbidden: may not specify more than 1 volume type",
    ),
    ("persistentvolumeclaims", "no modes"): (
        {"spec": {"accessModes": []}},
        "spec.accessModes: Required value: at least 1 access mode is required",
    ),
    ("persistentvolumeclaims", "no size"): (
        {"spec": {"resources": {"requests": None}}},
        "spec.resources[storage]: Required value",
    ),
    ("limitranges", "order"): (
        {"spec": {"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]}},
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
    ),
    ("resourcequotas", "name"): (
        {"spec": {"hard": {"wishes": "1"}}},
        'spec.hard[wishes]: Invalid value: "wishes": must be a standard resource for quota',
    ),
    ("ingresses.networking.k8s.io", "nothing"): (
        {"spec": {"rules": None}},
        "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified",
    ),
    ("ingresses.networking.k8s.io", "path type"): (
        {"spec": {"rules": [{"http": {"paths": [{"path": "/"}]}}]}},
        "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
    ),
    ("ingresses.networking.k8s.io", "address as host"): (
        {"spec": {"rules": [{"host": "10.0.0.1"}]}},
        'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
    ),
    ("networkpolicies.networking.k8s.io", "end port"): (
        {"spec": {"ingress": [{"ports": [{"port": 80, "endPort": 70}]}]}},
        "spec.ingress[0].ports[0].endPort: Invalid value: 70: must be greater than or equal to `port`",
    ),
    ("networkpolicies.networking.k8s.io", "except"): (
        {"spec": {"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/24", "except": ["10.1.0.0/28"]}}]}]}},
        'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "10.1.0.0/28": must be a strict subset of `cidr`',
    ),
    ("endpointslices.discovery.k8s.io", "family"): (
        {"endpoints": [{"addresses": ["fd00::1"]}]},
        'endpoints[0].addresses[0]: Invalid value: "fd00::1": must be a valid IPv4 address',
    ),
    ("horizontalpodautoscalers.autoscaling", "none"): (
        {"spec": {"maxReplicas": 0}},
        "spec.maxReplicas: Invalid value: 0: must be greater than 0",
    ),
    ("poddisruptionbudgets.policy", "both"): (
        {"spec": {"maxUnavailable": 1, "selector": None}},
        'spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set',
    ),
    ("storageclasses.storage.k8s.io", "provisioner"): ({"provisioner": ""}, "provisioner: Required value"),
    ("priorityclasses.scheduling.k8s.io", "too high"): (
        {"value": 2_000_000_000},
        "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
    ),
    ("leases.coordination.k8s.io", "duration"): (
        {"spec": {"leaseDurationSeconds": 0}},
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
    ),
    ("clusterroles.rbac.authorization.k8s.io", "verbs"): (
        {"rules": [{"apiGroups": [""], "resources": ["pods"]}]},
        "rules[0].verbs: Required value: verbs must contain at least one value",
    ),
    ("rolebindings.rbac.authorization.k8s.io", "kind"): (
        {"roleRef": {"kind": "Odd"}},
        'roleRef.kind: Unsupported value: "Odd": supported values: "Role", "ClusterRole"',
    ),
    ("validatingwebhookconfigurations.admissionregistration.k8s.io", "http"): (
        {"webhooks": [{"name": "a", "clientConfig": {"url": "http://x"}}]},
        "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; "
        "desired format: https://host[/path]",
    ),
    ("validatingadmissionpolicybindings.admissionregistration.k8s.io", "actions"): (
        {"spec": {"validationActions": []}},
        "spec.validationActions: Required value: at least one validation action is required",
    ),
    ("flowschemas.flowcontrol.apiserver.k8s.io", "precedence"): (
        {"spec": {"matchingPrecedence": 20000}},
        "spec.matchingPrecedence: Invalid value: 20000: must be a value between 1 and 10000 (inclusive)",
    ),
    ("prioritylevelconfigurations.flowcontrol.apiserver.k8s.io", "type"): (
        {"spec": {"type": "Odd"}},
        'spec.type: Unsupported value: "Odd": supported values: "Exempt", "Limited"',
    ),
}


@pytest.mark.parametrize("storage", GOOD)
def test_a_good_document_is_accepted(storage: str) -> None:
    assert told(storage, {}) == []


@pytest.mark.parametrize(("key", "case"), CASES.items(), ids=[" ".join(key) for key in CASES])
def test_a_bad_document_is_told_what_is_wrong(key: tuple[str, str], case: tuple[Value, str]) -> None:
    change, expected = case
    assert expected in told(key[0], change)


def test_system_priorities_are_not_for_everybody() -> None:
    (cause,) = causes_of("priorityclasses.scheduling.k8s.io", {}, name="system-mine")
    assert cause.reason == "FieldValueForbidden" and cause.field == "metadata.name"


def test_cron_jobs_leave_room_for_the_names_of_their_jobs() -> None:
    (cause,) = causes_of("cronjobs.batch", {}, name="x" * 53)
    assert cause.message == f'Invalid value: "{"x" * 53}": must be no more than 52 characters'


def test_a_controller_without_selector_follows_its_template() -> None:
    assert told("replicationcontrollers", {"spec": {"template": TEMPLATE}}) == []
    assert told("replicationcontrollers", {"spec": {"selector": {"app": "y"}}}) == [
        'spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`'
    ]
    assert SELECTOR["matchLabels"] == {"app": "x"}
