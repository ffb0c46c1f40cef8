"""Pods are refused for what the real server refuses, by the same fields and words."""

from __future__ import annotations

import pytest

from tests.kinds.documents import CONTAINER, pod, told

VOLUME = [{"name": "v", "emptyDir": {}}]


def mount(**fields: object) -> dict[str, object]:
    return pod({"volumeMounts": [{"name": "v", "mountPath": "/d", **fields}]}, volumes=VOLUME)


def env(**fields: object) -> dict[str, object]:
    return pod({"env": [{"name": "A", **fields}]})


def probe(**fields: object) -> dict[str, object]:
    return pod({"livenessProbe": {"tcpSocket": {"port": 80}, **fields}})


def resources(**fields: object) -> dict[str, object]:
    return pod({"resources": fields})


def tolerate(**fields: object) -> dict[str, object]:
    return pod(tolerations=[fields])


def projected(source: dict[str, object]) -> dict[str, object]:
    return pod(volumes=[{"name": "v", "projected": {"sources": [source]}}], serviceAccountName="default")


CASES = {
    "no containers": ({"spec": {"containers": []}}, "spec.containers: Required value"),
    "no image": (pod({"image": ""}), "spec.containers[0].image: Required value"),
    "padded image": (
        pod({"image": " i"}),
        'spec.containers[0].image: Invalid value: " i": must not have leading or trailing whitespace',
    ),
    "same name twice": (
        {"spec": {"containers": [CONTAINER, CONTAINER]}},
        'spec.containers[1].name: Duplicate value: "c"',
    ),
    "same name as an init container": (
        pod(initContainers=[CONTAINER]),
        'spec.initContainers[0].name: Duplicate value: "c"',
    ),
    "pull policy": (
        pod({"imagePullPolicy": "Sometimes"}),
        'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": '
        'supported values: "Always", "IfNotPresent", "Never"',
    ),
    "restart policy": (
        pod(restartPolicy="Sometimes"),
        'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    ),
    "dns policy": (
        pod(dnsPolicy="None"),
        "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
    ),
    "nameserver": (
        pod(dnsConfig={"nameservers": ["x"]}),
        'spec.dnsConfig.nameservers[0]: Invalid value: "x": must be a valid IP address, '
        "(e.g. 10.9.8.7 or 2001:db8::ffff)",
    ),
    "ephemeral": (
        pod(ephemeralContainers=[{"name": "d", "image": "i"}]),
        "spec.ephemeralContainers: Forbidden: cannot be set on create",
    ),
    "unmounted volume": (
        pod({"volumeMounts": [{"name": "v", "mountPath": "/d"}]}),
        'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ),
    "two sub paths": (
        mount(subPath="a", subPathExpr="b"),
        'spec.containers[0].volumeMounts.subPathExpr: Invalid value: "b": subPathExpr and subPath are mutually exclusive',
    ),
    "sub path back": (
        mount(subPath="../a"),
        "spec.containers[0].volumeMounts.subPath: Invalid value: \"../a\": must not contain '..'",
    ),
    "propagation": (
        mount(mountPropagation="Bidirectional"),
        "spec.containers[0].volumeMounts.mountPropagation: Forbidden: "
        "Bidirectional mount propagation is available only to privileged containers",
    ),
    "no volume source that is known": (
        pod(volumes=[{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]),
        "spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type",
    ),
    "host path type": (
        pod(volumes=[{"name": "v", "hostPath": {"path": "/x", "type": "Odd"}}]),
        'spec.volumes[0].hostPath.type: Unsupported value: "Odd": supported values: "", "BlockDevice", "CharDevice", '
        '"Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
    ),
    "no projection": (
        projected({}),
        "spec.volumes[0].projected.sources[0]: Required value: must specify a volume projection type",
    ),
    "short token": (
        projected({"serviceAccountToken": {"path": "t", "expirationSeconds": 10}}),
        "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 10: "
        "may not specify a duration less than 10 minutes",
    ),
    "env name": (
        pod({"env": [{"name": "a=b"}]}),
        'spec.containers[0].env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of '
        "printable ASCII characters other than '='",
    ),
    "env without source": (
        env(valueFrom={}),
        'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, '
        "`configMapKeyRef` or `secretKeyRef`",
    ),
    "env value and source": (
        env(value="x", valueFrom={"fieldRef": {"fieldPath": "metadata.name"}}),
        'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
    ),
    "field path": (
        env(valueFrom={"fieldRef": {"fieldPath": "metadata.whatever"}}),
        'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.whatever": '
        "error converting fieldPath: field label not supported: metadata.whatever",
    ),
    "probe without handler": (
        pod({"livenessProbe": {}}),
        "spec.containers[0].livenessProbe: Required value: must specify a handler type",
    ),
    "liveness threshold": (
        probe(successThreshold=2),
        "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
    ),
    "two handlers": (
        probe(exec={"command": ["a"]}),
        "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
    ),
    "probe of an init container": (
        pod(initContainers=[{"name": "a", "image": "i", "readinessProbe": {"exec": {"command": ["a"]}}}]),
        "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without "
        "restartPolicy=Always",
    ),
    "port": (
        pod({"ports": [{"containerPort": 70000}]}),
        "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
    ),
    "port name": (
        pod({"ports": [{"containerPort": 1, "name": "80"}]}),
        'spec.containers[0].ports[0].name: Invalid value: "80": must contain at least one letter (a-z)',
    ),
    "host port twice": (
        pod({"ports": [{"containerPort": 1, "hostPort": 9}, {"containerPort": 2, "hostPort": 9}]}),
        'spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//9"',
    ),
    "host network": (
        pod({"ports": [{"containerPort": 1, "hostPort": 9}]}, hostNetwork=True),
        "spec.containers[0].ports[0].hostPort: Invalid value: 9: must match `containerPort` when `hostNetwork` is true",
    ),
    "request over limit": (
        resources(requests={"cpu": "2"}, limits={"cpu": "1"}),
        'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
    "half a device": (
        resources(limits={"example.com/gpu": "500m"}),
        'spec.containers[0].resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer',
    ),
    "device request other than its limit": (
        resources(requests={"example.com/gpu": "1"}, limits={"example.com/gpu": "2"}),
        'spec.containers[0].resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2',
    ),
    "huge pages alone": (
        resources(limits={"hugepages-2Mi": "2Mi"}),
        "spec.containers[0].resources: Forbidden: HugePages require cpu or memory",
    ),
    "negative": (
        resources(requests={"cpu": "-1"}),
        'spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    ),
    "unknown resource": (
        resources(requests={"wishes": "3"}),
        'spec.containers[0].resources.requests: Invalid value: "wishes": must be a standard resource type or fully '
        "qualified",
    ),
    "privileged without escalation": (
        pod({"securityContext": {"privileged": True, "allowPrivilegeEscalation": False}}),
        'spec.containers[0].securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: '
        "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
    ),
    "user": (
        pod(securityContext={"runAsUser": -1}),
        "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
    ),
    "sysctl twice": (
        pod(securityContext={"sysctls": [{"name": "a.b", "value": "1"}, {"name": "a.b", "value": "1"}]}),
        'spec.securityContext.sysctls[1].name: Duplicate value: "a.b"',
    ),
    "toleration without key": (
        tolerate(operator="Equal"),
        'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means '
        '"match all values and all keys"',
    ),
    "toleration seconds": (
        tolerate(key="a", operator="Exists", effect="NoSchedule", tolerationSeconds=1),
        "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` "
        "is set",
    ),
    "affinity without terms": (
        pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}),
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: "
        "must have at least one node selector term",
    ),
    "spread": (
        pod(topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}]),
        "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
    ),
    "gated and bound": (
        pod(schedulingGates=[{"name": "g"}], nodeName="n"),
        "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
    ),
    "deadline": (
        pod(activeDeadlineSeconds=0),
        "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
    ),
    "pod level request too small": (
        pod({"resources": {"requests": {"cpu": "2"}}}, resources={"requests": {"cpu": "1"}}),
        'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container '
        "requests of 2",
    ),
}


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES)
def test_a_bad_pod_is_told_what_is_wrong(change: dict[str, object], expected: str) -> None:
    assert expected in told("pods", change)


def test_a_pod_with_much_in_it_is_good() -> None:
    container = {
        "env": [{"name": "a.b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['x/y']"}}}],
        "ports": [{"containerPort": 80, "name": "http"}],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi", "hugepages-2Mi": "4Mi", "example.com/gpu": "1"}},
        "readinessProbe": {"httpGet": {"port": "http"}, "successThreshold": 3},
        "volumeMounts": [{"name": "v", "mountPath": "/d", "subPathExpr": "$(a.b)"}],
    }
    sidecar = {"name": "s", "image": "i", "restartPolicy": "Always", "startupProbe": {"grpc": {"port": 1}}}
    assert told("pods", pod(container, volumes=VOLUME, initContainers=[sidecar])) == []
