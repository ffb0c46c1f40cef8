"""Deployments, Jobs and Services with kubectl: rollouts, scale, undo, drain, and traffic that arrives."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request

import pytest

from tests.clients.platform import Kubectl, wait_until

IMAGE = "maru.local/base:latest"

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: busybox:latest
          imagePullPolicy: IfNotPresent
          command: [sh, -c, "hostname > /tmp/index.html; echo $WHAT >> /tmp/index.html; exec httpd -f -p 8080 -h /tmp"]
          env: [{name: WHAT, value: one}]
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
"""


@pytest.fixture
def web(kubectl: Kubectl) -> Kubectl:
    kubectl.apply(WEB)
    kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    return kubectl


def test_a_rollout_has_a_history_and_can_be_undone(web: Kubectl) -> None:
    web("set", "env", "deploy/web", "WHAT=two")
    assert "successfully rolled out" in web("rollout", "status", "deploy/web", "--timeout=60s")
    revisions = [line.split()[0] for line in web("rollout", "history", "deploy/web").splitlines() if line[:1].isdigit()]
    assert revisions == ["1", "2"]
    web("rollout", "undo", "deploy/web")
    web("rollout", "status", "deploy/web", "--timeout=60s")
    value = "jsonpath={.spec.template.spec.containers[0].env[0].value}"
    assert web("get", "deploy", "web", "-o", value) == "one"


def test_scale_pause_set_image_and_restart(web: Kubectl) -> None:
    web("scale", "deploy/web", "--replicas=3")
    web("rollout", "status", "deploy/web", "--timeout=60s")
    assert web("get", "deploy", "web").splitlines()[1].split()[1] == "3/3"
    web("rollout", "pause", "deploy/web")
    web("set", "image", "deploy/web", "web=maru.local/base:latest")
    assert len(web("get", "rs", "-o", "name").split()) == 1
    web("rollout", "resume", "deploy/web")
    web("rollout", "status", "deploy/web", "--timeout=60s")
    assert len(web("get", "rs", "-o", "name").split()) == 2
    web("rollout", "restart", "deploy/web")
    web("rollout", "status", "deploy/web", "--timeout=60s")
    assert len(web("get", "rs", "-o", "name").split()) == 3


def test_a_rollout_never_takes_the_service_down(web: Kubectl) -> None:
    web("expose", "deploy/web", "--type=NodePort", "--port=80", "--target-port=http")
    port = int(web("get", "service", "web", "-o", "jsonpath={.spec.ports[0].nodePort}"))
    wait_until(lambda: fetch(port), "the node port forwards")
    web("set", "env", "deploy/web", "WHAT=three")
    progress = "jsonpath={.status.updatedReplicas}/{.status.availableReplicas}/{.status.replicas}"
    answers = [fetch(port)]
    while web("get", "deploy", "web", "-o", progress) != "2/2/2":
        answers += [fetch(port) for _ in range(20)]
    assert all(answers)
    wait_until(lambda: "three" in fetch(port), "the new Pods answer")


def test_a_service_forwards_by_cluster_ip_node_port_and_name(kubectl36: Kubectl) -> None:
    kubectl36.apply(WEB)
    kubectl36("rollout", "status", "deploy/web", "--timeout=60s")
    kubectl36("expose", "deploy/web", "--type=NodePort", "--port=80", "--target-port=http")
    port = int(kubectl36("get", "service", "web", "-o", "jsonpath={.spec.ports[0].nodePort}"))
    pods = set(kubectl36("get", "pods", "-o", "jsonpath={.items[*].metadata.name}").split())
    wait_until(lambda: {answer.split()[0] for _ in range(8) if (answer := fetch(port))} == pods, "both Pods answer")
    address = kubectl36("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    kubectl36("run", "asker", f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--", "sleep", "1000")
    kubectl36("wait", "--for=condition=Ready", "pod/asker", "--timeout=30s")
    for host in (address, "web", f"web.{kubectl36.namespace}", f"web.{kubectl36.namespace}.svc.cluster.local"):
        assert kubectl36("exec", "asker", "--", "wget", "-qO-", f"http://{host}/").split()[0] in pods
    with urllib.request.urlopen(f"http://{address}/", timeout=10) as answer:
        assert answer.read().split()[0].decode() in pods


def test_a_service_without_endpoints_refuses(kubectl36: Kubectl) -> None:
    kubectl36("create", "service", "nodeport", "empty", "--tcp=80:80")
    port = int(kubectl36("get", "service", "empty", "-o", "jsonpath={.spec.ports[0].nodePort}"))

    def refused() -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex(("127.0.0.1", port)) == 111

    wait_until(refused, "connections are refused")


def test_a_headless_service_names_its_pods(kubectl36: Kubectl) -> None:
    kubectl36.apply(
        """
apiVersion: v1
kind: Service
metadata: {name: ring}
spec: {clusterIP: None, selector: {app: ring}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ring}
spec:
  serviceName: ring
  replicas: 2
  selector: {matchLabels: {app: ring}}
  template:
    metadata: {labels: {app: ring}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}]
"""
    )
    kubectl36("rollout", "status", "statefulset/ring", "--timeout=60s")
    ip = kubectl36("get", "pod", "ring-1", "-o", "jsonpath={.status.podIP}")
    name = f"ring-1.ring.{kubectl36.namespace}.svc.cluster.local"
    wait_until(
        lambda: ip in kubectl36.run("exec", "ring-0", "--", "nslookup", name, check=False).stdout, "the name resolves"
    )


def test_jobs_complete_and_fail_as_told(kubectl: Kubectl) -> None:
    kubectl("create", "job", "good", f"--image={IMAGE}", "--", "true")
    kubectl("wait", "--for=condition=complete", "job/good", "--timeout=40s")
    assert kubectl("get", "job", "good").splitlines()[1].split()[1:3] == ["Complete", "1/1"]
    kubectl.apply(
        """
apiVersion: batch/v1
kind: Job
metadata: {name: bad}
spec:
  backoffLimit: 0
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox, imagePullPolicy: IfNotPresent, command: ["false"]}]}}
"""
    )
    kubectl("wait", "--for=condition=failed", "job/bad", "--timeout=40s")


def test_cordon_drain_and_uncordon(kubectl: Kubectl) -> None:
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    try:
        kubectl("cordon", node)
        assert "SchedulingDisabled" in kubectl("get", "nodes")
        kubectl("run", "late", f"--image={IMAGE}", "--", "sleep", "1000")
        wait_until(lambda: "node(s) were unschedulable" in kubectl("describe", "pod", "late"), "the scheduler says why")
    finally:
        kubectl("uncordon", node)
    kubectl("wait", "--for=condition=Ready", "pod/late", "--timeout=60s")


def test_drain_evicts_and_respects_budgets(kubectl36: Kubectl) -> None:
    kubectl36.apply(WEB)
    kubectl36("rollout", "status", "deploy/web", "--timeout=60s")
    kubectl36("create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=2")
    wait_until(
        lambda: kubectl36("get", "pdb", "web", "-o", "jsonpath={.status.currentHealthy}") == "2", "the budget counts"
    )
    node = kubectl36("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    selector = ("--pod-selector=app=web", "--ignore-daemonsets", "--delete-emptydir-data")
    try:
        assert "Cannot evict pod as it would violate" in kubectl36.fails("drain", node, *selector, "--timeout=3s")
        kubectl36("delete", "pdb", "web")
        assert "evicted" in kubectl36("drain", node, *selector, "--timeout=40s")
    finally:
        kubectl36("uncordon", node)


def test_taints_keep_pods_away_until_tolerated(kubectl: Kubectl) -> None:
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    try:
        kubectl("taint", "nodes", node, "only=me:NoSchedule")
        kubectl("run", "kept", f"--image={IMAGE}", "--", "sleep", "1000")
        wait_until(lambda: "untolerated taint" in kubectl("describe", "pod", "kept"), "the scheduler says why")
    finally:
        kubectl("taint", "nodes", node, "only-")


def test_deleting_an_owner_deletes_what_it_owns(web: Kubectl) -> None:
    web("delete", "deploy", "web", "--cascade=foreground")
    assert web("get", "rs,pods", "-o", "name") == ""


def test_orphans_stay_when_asked(web: Kubectl) -> None:
    web("delete", "deploy", "web", "--cascade=orphan")
    wait_until(
        lambda: web("get", "rs", "-o", "jsonpath={.items[0].metadata.ownerReferences}") == "",
        "the ReplicaSet is an orphan",
    )
    assert len(web("get", "pods", "-o", "name").split()) == 2


def fetch(port: int) -> str:
    """What a node port answers, "" if it does not."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return ""
