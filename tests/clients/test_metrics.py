"""kubectl top against a running platform: Pods, containers and nodes have figures that are true."""

from __future__ import annotations

from tests.clients.platform import Kubectl, wait_until

BURN = """
apiVersion: v1
kind: Pod
metadata: {name: burn, labels: {app: burn}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: busy
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "while :; do :; done"]
    resources: {limits: {cpu: 100m}}
  - {name: idle, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}
"""


def test_top_shows_what_pods_containers_and_nodes_use(kubectl: Kubectl) -> None:
    kubectl.apply(BURN)
    kubectl("wait", "--for=condition=Ready", "pod/burn", "--timeout=30s")

    def busy() -> int:
        lines = kubectl.run("top", "pods", "--containers", "--no-headers", check=False).stdout.splitlines()
        cells = {line.split()[1]: line.split()[2] for line in lines}
        return int(cells["busy"].removesuffix("m")) if "busy" in cells and "idle" in cells else 0

    wait_until(lambda: 60 <= busy() <= 160, "the busy container uses the tenth of a processor it may", 20)
    assert kubectl("top", "pods", "-l", "app=burn", "--no-headers").split()[0] == "burn"
    name, *figures = kubectl("top", "nodes", "--no-headers").split()
    assert name and figures[0].endswith("m") and figures[2].endswith("Mi")
    assert "not found" in kubectl.fails("top", "pod", "nope")
