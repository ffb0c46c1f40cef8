"""helm 4 (and 3): install, upgrade, rollback, test and uninstall a chart as `helm create` makes it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.platform import BINARIES, Kubectl

VALUES = (
    "--set=image.repository=busybox,image.tag=latest,image.pullPolicy=IfNotPresent",
    "--set=livenessProbe=null,readinessProbe.httpGet.path=/,readinessProbe.httpGet.port=http",
)


@pytest.mark.parametrize("version", ["v30", "v36"])
def test_a_release_lives_its_life(kubectl36: Kubectl, tmp_path: Path, version: str) -> None:
    def helm(*arguments: str) -> str:
        done = subprocess.run(
            [
                str(BINARIES / version / "helm"),
                "--kubeconfig",
                str(kubectl36.platform.kubeconfig),
                "-n",
                kubectl36.namespace,
                *arguments,
            ],
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    helm("create", "shop")
    deployment = tmp_path / "shop" / "templates" / "deployment.yaml"
    text = deployment.read_text()
    serve = 'command: [sh, -c, "echo shop > /tmp/index.html; exec httpd -f -p 80 -h /tmp"]'
    deployment.write_text(text.replace("          ports:\n", f"          {serve}\n          ports:\n", 1))
    helm("install", "shop", "./shop", *VALUES, "--wait", "--timeout=60s")
    assert json.loads(helm("list", "-o", "json"))[0]["status"] == "deployed"
    helm("upgrade", "shop", "./shop", *VALUES, "--set=replicaCount=2", "--wait", "--timeout=60s")
    assert kubectl36("get", "deploy", "shop", "-o", "jsonpath={.status.readyReplicas}") == "2"
    assert "Succeeded" in helm("test", "shop", "--timeout=60s")
    helm("rollback", "shop", "1", "--wait", "--timeout=60s")
    assert kubectl36("get", "deploy", "shop", "-o", "jsonpath={.spec.replicas}") == "1"
    assert [row["revision"] for row in json.loads(helm("history", "shop", "-o", "json"))] == [1, 2, 3]
    helm("uninstall", "shop", "--wait", "--timeout=60s")
    assert "shop" not in kubectl36("get", "deploy,service,serviceaccount", "-o", "name")
