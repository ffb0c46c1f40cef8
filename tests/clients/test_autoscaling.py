"""kubectl autoscale against a running platform: a busy Deployment grows, and shrinks when it is idle."""

from __future__ import annotations

from typing import Any

from tests.clients.platform import Kubectl, wait_until

BUSY = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: busy}
spec:
  selector: {matchLabels: {app: busy}}
  template:
    metadata: {labels: {app: busy}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "while [ ! -e /tmp/idle ]; do :; done; sleep 1000"]
        resources: {requests: {cpu: 50m}, limits: {cpu: 200m}}
"""
SHORT = '{"spec":{"behavior":{"scaleDown":{"stabilizationWindowSeconds":0}}}}'


def test_busy_deployment_is_scaled_up_and_when_idle_down_again(kubectl36: Kubectl) -> None:
    kubectl = kubectl36
    kubectl.apply(BUSY)
    assert "busy autoscaled" in kubectl("autoscale", "deployment", "busy", "--cpu=50%", "--min=1", "--max=2")
    kubectl("patch", "hpa", "busy", "--type=merge", "-p", SHORT)

    def scaler() -> Any:
        return kubectl.json("get", "hpa", "busy")

    def replicas() -> int:
        return int(kubectl.json("get", "deploy", "busy")["spec"]["replicas"])

    wait_until(lambda: replicas() == 2, "it is scaled to its maximum", 15)
    wait_until(lambda: scaler()["status"].get("desiredReplicas") == 2, "the status says so", 5)
    kubectl("rollout", "status", "deploy/busy", "--timeout=15s")
    for pod in kubectl("get", "pods", "-l", "app=busy", "-o", "name").split():
        kubectl("exec", pod, "--", "touch", "/tmp/idle")
    wait_until(lambda: replicas() == 1, "it is scaled to its minimum", 25)
    row = kubectl("get", "hpa", "busy", "--no-headers").split()
    assert row[1] == "Deployment/busy" and row[2] == "cpu:" and row[3].endswith("%/50%") and row[4:6] == ["1", "2"]
    told = kubectl("describe", "hpa", "busy")
    for words in (
        "resource cpu on pods  (as a percentage of request):",
        "ValidMetricFound",
    ):
        assert words in told
    first = kubectl.json("get", "horizontalpodautoscalers.v1.autoscaling", "busy")
    assert first["spec"]["targetCPUUtilizationPercentage"] == 50
    assert first["status"]["currentReplicas"] in (1, 2)
    assert "ScalingActive" in first["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/conditions"]


def test_metric_and_target_that_cannot_be_had_are_told_in_conditions(kubectl36: Kubectl) -> None:
    kubectl = kubectl36
    kubectl("create", "deployment", "web", "--image=busybox", "--replicas=1", "--", "sleep", "1000")
    kubectl("autoscale", "deployment", "web", "--memory=50%", "--max=3")
    reference = "{apiVersion: apps/v1, kind: Deployment, name: nowhere}"
    spec = f"{{scaleTargetRef: {reference}, maxReplicas: 3}}"
    kubectl.apply(
        f"apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: nowhere}}\nspec: {spec}\n"
    )

    def conditions(name: str) -> dict[str, str]:
        found = kubectl.json("get", "hpa", name).get("status", {}).get("conditions") or ()
        return {each["type"]: each["reason"] for each in found}

    wait_until(lambda: conditions("nowhere").get("AbleToScale") == "FailedGetScale", "the target is missing", 10)
    wait_until(
        lambda: "missing request for memory in container busybox of Pod" in kubectl("describe", "hpa", "web"),
        "the request is missing",
        15,
    )
    assert conditions("web")["ScalingActive"] == "FailedGetResourceMetric"
    assert 'deployments.apps "nowhere" not found' in kubectl("describe", "hpa", "nowhere")
