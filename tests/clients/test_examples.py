"""The examples, run as a reader would run them."""

from __future__ import annotations

import urllib.request

from tests.clients.platform import ROOT, Kubectl, wait_until


def test_hello_answers_on_its_node_port(kubectl36: Kubectl) -> None:
    kubectl36("apply", "-f", str(ROOT / "examples" / "hello"))
    kubectl36("rollout", "status", "deploy/hello", "--timeout=60s")
    assert len(kubectl36("get", "pods", "-o", "name").split()) == 3

    def answers() -> bool:
        with urllib.request.urlopen("http://127.0.0.1:30080/", timeout=5) as answer:
            return bool(answer.read() == b"Hello from Maru.\n")

    wait_until(answers, "the node port answers")
