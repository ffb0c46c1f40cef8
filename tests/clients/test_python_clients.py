"""The Python client, lightkube and kopf: documents, watches, custom resources, exec and port-forward."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import kopf
import lightkube
import pytest
from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap as LightConfigMap

from tests.clients.platform import Kubectl, wait_until

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "box"},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "box",
                "image": "busybox:latest",
                "imagePullPolicy": "IfNotPresent",
                "command": ["sh", "-c", "echo served > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"],
            }
        ],
    },
}

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.harbour.example.com}
spec:
  group: harbour.example.com
  scope: Namespaced
  names: {plural: boats, singular: boat, kind: Boat, shortNames: [bt]}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}, scale: {specReplicasPath: .spec.masts, statusReplicasPath: .status.masts}}
      additionalPrinterColumns:
        - {name: Length, type: integer, jsonPath: .spec.length}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [length]
              x-kubernetes-validations:
                - {rule: "self.length >= self.masts", message: "too many masts"}
              properties:
                length: {type: integer, minimum: 1, maximum: 400}
                masts: {type: integer, default: 1}
                name: {type: string, pattern: "^[A-Z]"}
            status:
              type: object
              properties: {masts: {type: integer}, port: {type: string}}
"""


@pytest.fixture(scope="module")
def boats(platform: object) -> Iterator[Kubectl]:
    from tests.clients.platform import Platform

    assert isinstance(platform, Platform)
    kubectl = Kubectl(platform, "v36", "default")
    kubectl.apply(CRD)
    kubectl("wait", "--for=condition=Established", "crd/boats.harbour.example.com", "--timeout=20s")
    yield kubectl
    kubectl("delete", "crd", "boats.harbour.example.com")


@pytest.fixture
def api(kubectl36: Kubectl) -> client.CoreV1Api:
    config.load_kube_config(str(kubectl36.platform.kubeconfig))
    return client.CoreV1Api()


def boat(called: str, **spec: object) -> dict[str, object]:
    return {"apiVersion": "harbour.example.com/v1", "kind": "Boat", "metadata": {"name": called}, "spec": spec}


def test_python_client_runs_a_pod_execs_and_forwards(kubectl36: Kubectl, api: client.CoreV1Api) -> None:
    api.create_namespaced_pod(kubectl36.namespace, POD)
    seen = []
    watcher = watch.Watch()
    for event in watcher.stream(api.list_namespaced_pod, kubectl36.namespace, timeout_seconds=40):
        seen.append(event["object"].status.phase)
        if seen[-1] == "Running":
            watcher.stop()
    assert seen[-1] == "Running"
    said = stream(
        api.connect_get_namespaced_pod_exec,
        "box",
        kubectl36.namespace,
        command=["echo", "hi"],
        stdout=True,
        stderr=True,
    )
    assert said == "hi\n"
    forward = portforward(api.connect_get_namespaced_pod_portforward, "box", kubectl36.namespace, ports="8080")
    channel = forward.socket(8080)
    channel.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = b""
    while chunk := channel.recv(4096):
        answer += chunk
    assert answer.endswith(b"served\n")
    api.delete_namespaced_pod("box", kubectl36.namespace)
    wait_until(lambda: not api.list_namespaced_pod(kubectl36.namespace).items, "the Pod is gone")


def test_custom_resources_are_checked_defaulted_and_shown(boats: Kubectl, kubectl36: Kubectl) -> None:
    config.load_kube_config(str(kubectl36.platform.kubeconfig))
    custom = client.CustomObjectsApi()
    place = ("harbour.example.com", "v1", kubectl36.namespace, "boats")
    made = custom.create_namespaced_custom_object(*place, boat("ann", length=12, extra=1))
    assert made["spec"] == {"length": 12, "masts": 1}
    for wrong, words in (
        (boat("a"), "spec.length: Required value"),
        (boat("b", length=500), "should be less than or equal to 400"),
        (boat("c", length="x"), "must be of type integer"),
        (boat("d", length=2, masts=5), "too many masts"),
        (boat("e", length=2, name="low"), "should match"),
    ):
        with pytest.raises(ApiException) as refused:
            custom.create_namespaced_custom_object(*place, wrong)
        assert refused.value.status == 422
        assert words in refused.value.body
    assert kubectl36("get", "boats").splitlines()[0].split() == ["NAME", "LENGTH"]
    assert kubectl36("get", "bt", "ann").splitlines()[1].split() == ["ann", "12"]
    custom.patch_namespaced_custom_object_status(*place, "ann", {"status": {"port": "Busan"}, "spec": {"length": 99}})
    kept = custom.get_namespaced_custom_object(*place, "ann")
    assert kept["status"] == {"port": "Busan"}
    assert kept["spec"]["length"] == 12
    kubectl36("scale", "boat/ann", "--replicas=3")
    assert kubectl36("get", "boat", "ann", "-o", "jsonpath={.spec.masts}") == "3"
    assert "masts" in kubectl36("explain", "boat.spec")


def test_lightkube_creates_patches_and_lists(boats: Kubectl, kubectl36: Kubectl) -> None:
    light = lightkube.Client(
        lightkube.KubeConfig.from_file(str(kubectl36.platform.kubeconfig)), namespace=kubectl36.namespace
    )
    light.create(LightConfigMap(metadata=ObjectMeta(name="one"), data={"a": "b"}))
    light.apply(LightConfigMap(metadata=ObjectMeta(name="two"), data={"c": "d"}), field_manager="light")
    assert {found.metadata.name for found in light.list(LightConfigMap)} >= {"one", "two"}
    with pytest.raises(ApiError) as refused:
        light.create(LightConfigMap(metadata=ObjectMeta(name="one")))
    assert refused.value.status.reason == "AlreadyExists"
    boat_kind = create_namespaced_resource("harbour.example.com", "v1", "Boat", "boats")
    light.create(boat_kind(metadata=ObjectMeta(name="bea"), spec={"length": 3}))
    assert light.get(boat_kind, "bea").spec["masts"] == 1
    light.delete(LightConfigMap, "one")
    assert "one" not in {found.metadata.name for found in light.list(LightConfigMap)}


def test_kopf_operator_sees_and_answers(boats: Kubectl, kubectl36: Kubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubectl36.platform.kubeconfig))
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)

    @kopf.on.create("harbour.example.com", "v1", "boats", registry=registry)
    def moor(spec: kopf.Spec, patch: kopf.Patch, **_: object) -> None:
        patch.status["port"] = f"berth-{spec['length']}"

    @kopf.on.delete("harbour.example.com", "v1", "boats", registry=registry)
    def leave(**_: object) -> None:
        left.set()

    left, stop, ready = threading.Event(), threading.Event(), threading.Event()

    def run() -> None:
        asyncio.run(
            kopf.operator(
                registry=registry, namespaces=[kubectl36.namespace], stop_flag=stop, ready_flag=ready, standalone=True
            )
        )

    operator = threading.Thread(target=run)
    operator.start()
    try:
        assert ready.wait(30)
        kubectl36.apply(
            '{"apiVersion":"harbour.example.com/v1","kind":"Boat","metadata":{"name":"cid"},"spec":{"length":7}}'
        )
        wait_until(
            lambda: kubectl36("get", "boat", "cid", "-o", "jsonpath={.status.port}") == "berth-7", "kopf answered"
        )
        kubectl36("delete", "boat", "cid", "--timeout=30s")
        assert left.wait(10)
    finally:
        stop.set()
        operator.join(30)
