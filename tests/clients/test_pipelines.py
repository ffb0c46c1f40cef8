"""Lines come from containers, beats and sockets into the index, whatever happens to the process on the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.platform import ROOT, Kubectl, Platform, wait_until
from tests.clients.test_docker_containers import NONE, Docker, docker

GOLDEN = ROOT / "tests" / "golden" / "beats"
TALKER = """
apiVersion: v1
kind: Pod
metadata: {name: talker, labels: {app: talker, app.kubernetes.io/name: talk, released: "2026-01-01"}}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: busybox:latest
    imagePullPolicy: IfNotPresent
    command: [sh, -c, %s]
"""
SCRIPT = """
echo 'ERROR cannot open'; echo '{"level":"WARN","msg":"hot"}'; echo '{"level":{"a":1}}' >&2; sleep 0.3; head -c 20000 /dev/zero |
tr '\\0' x; echo; for i in 1 2 3; do echo line $i; done
"""
ACCESS = (
    '10.0.0.%d - frank [%02d/Oct/2025:13:55:36 +0200] "GET /shop?item=%d HTTP/1.1" 200 2326 '
    '"http://example.com/" "Mozilla/5.0 (X11; Linux)"\n'
)
ECS = 'grok { match => { "message" => "%{COMBINEDAPACHELOG}" } }'
FLOOD = """
apiVersion: pipelines.maru.dev/v1
kind: Pipeline
metadata: {name: flood}
spec:
  batchSize: 500
  config: |
    input { beats { port => 5046 } }
    output { elasticsearch { index => "flood" document_id => "%{n}" } }
"""
ACTIONS = """
apiVersion: pipelines.maru.dev/v1
kind: Pipeline
metadata: {name: deeds}
spec:
  config: |
    input { tcp { port => 5012 codec => json_lines } }
    filter { mutate { rename => { "op" => "[@metadata][op]" } } }
    output {
      elasticsearch { index => "deeds" document_id => "%{id}" action => "%{[@metadata][op]}" doc_as_upsert => true }
    }
"""

__all__ = ["docker"]


class Search:
    """The search API of one platform, by HTTP."""

    def __init__(self, platform: Platform) -> None:
        self._base = f"http://127.0.0.1:{9200 + platform.port_offset}"

    def ask(self, path: str, body: object = None) -> Any:
        """The answer, {} where there is no such index."""
        sent = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._base + path, sent, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            assert error.code in (404, 503), error.read()
            return {}
        except OSError:
            return {}

    def sources(self, index: str, query: object, size: int = 100) -> list[dict[str, Any]]:
        """Documents in the order of their time."""
        order = [{"@timestamp": {"order": "asc", "unmapped_type": "date"}}]
        answer = self.ask(f"/{index}/_search", {"query": query, "size": size, "sort": order})
        return [hit["_source"] for hit in answer.get("hits", {}).get("hits", [])]


@pytest.fixture
def search(platform: Platform) -> Search:
    return Search(platform)


@pytest.fixture
def pipelines(kubectl36: Kubectl) -> Iterator[Kubectl]:
    yield kubectl36
    kubectl36("delete", "pipelines.pipelines.maru.dev", "apache", "legacy", "flood", "deeds", "--ignore-not-found")


def test_a_pods_lines_are_found_with_what_is_known_of_the_pod(kubectl36: Kubectl, search: Search) -> None:
    kubectl36.apply(TALKER % json.dumps(SCRIPT))
    wait_until(lambda: kubectl36.json("get", "pod", "talker")["status"].get("phase") == "Succeeded", "the pod ends")
    query = {"term": {"kubernetes.namespace": kubectl36.namespace}}
    wait_until(lambda: len(search.sources("logs-*", query)) == 7, "the lines are found", 10)
    found = search.sources("logs-containers-default", query)
    assert sorted(each["message"] for each in found) == sorted(kubectl36("logs", "talker").splitlines())
    by_message = {each["message"]: each for each in found}
    first = by_message["ERROR cannot open"]
    assert (first["level"], first["stream"]) == ("error", "stdout")
    assert first["kubernetes"]["pod"]["name"] == "talker"
    assert first["kubernetes"]["container"]["name"] == "main"
    assert first["kubernetes"]["labels"]["app_kubernetes_io/name"] == "talk"
    assert first["container"]["image"]["name"].endswith("busybox:latest")
    assert by_message['{"level":"WARN","msg":"hot"}']["level"] == "warn"
    assert by_message['{"level":{"a":1}}']["stream"] == "stderr"
    assert "level" not in by_message['{"level":{"a":1}}']
    labelled = {"bool": {"filter": [query, {"term": {"kubernetes.labels.app": "talker"}}]}}
    assert len(search.sources("logs-*", labelled)) == 7


def test_a_docker_containers_lines_are_found_with_its_name(docker: Docker, search: Search) -> None:
    docker("run", "-d", "--name", "crier", "--label", "org.team=x", *NONE, "busybox", "echo", "docker was here")
    query = {"term": {"container.name": "crier"}}
    wait_until(lambda: search.sources("logs-*", query), "the line is found", 10)
    (line,) = search.sources("logs-*", query)
    assert line["message"] == docker("logs", "crier")
    assert line["container"]["labels"] == {"org_team": "x"}
    assert line["container"]["id"].startswith(docker("ps", "-aqf", "name=crier"))


def test_a_session_of_filebeat_is_acknowledged_and_indexed_by_day(platform: Platform, search: Search) -> None:
    sent, answer = (GOLDEN / "filebeat-8.request").read_bytes(), (GOLDEN / "filebeat-8.answer").read_bytes()
    with socket.create_connection(("127.0.0.1", 5044 + platform.port_offset), timeout=20) as line:
        line.sendall(sent)
        got = b""
        while len(got) < len(answer):
            frame = line.recv(6, socket.MSG_WAITALL)
            got += frame if frame[2:] != b"\0\0\0\0" else b""
    assert got == answer
    wait_until(lambda: len(search.sources("filebeat-8.19.2-*", {"match_all": {}})) == 5, "the events are found", 10)
    assert len(search.sources("filebeat-8.19.2-2026.03.01", {"match_phrase": {"message": "total 20 EUR"}})) == 1
    (last,) = search.sources("filebeat-8.19.2-2026.03.02", {"match": {"message": "50"}})
    assert last["agent"]["type"] == "filebeat"
    assert last["@timestamp"] == "2026-03-02T10:00:05.123Z"
    assert "@metadata" not in last


def test_access_logs_of_apache_go_to_daily_indices_in_both_spellings(
    pipelines: Kubectl, platform: Platform, search: Search
) -> None:
    example = (ROOT / "examples" / "pipelines" / "apache.yaml").read_text()
    assert ECS in example
    pipelines.apply(example)
    legacy = example.replace("name: apache", "name: legacy").replace("5010", "5011").replace("apache-%", "legacy-%")
    pipelines.apply(legacy.replace(ECS, ECS.replace("} }", "} ecs_compatibility => disabled }")))
    for port in (5010, 5011):
        _send(platform, port, "".join(ACCESS % (day, day, item) for day in (10, 11) for item in range(3)) + "no log\n")
    _wait_for_access_logs(search, "apache")
    _wait_for_access_logs(search, "legacy")
    (ecs,) = search.sources("apache-2025.10.10", {"term": {"url.original.keyword": "/shop?item=2"}})
    assert ecs["source"] == {"address": "10.0.0.10"}
    assert ecs["http"]["response"] == {"status_code": 200, "body": {"bytes": 2326}}
    (old,) = search.sources("legacy-2025.10.10", {"term": {"request.keyword": "/shop?item=2"}})
    assert (old["clientip"], old["auth"], old["response"]) == ("10.0.0.10", "frank", "200")
    assert old["@timestamp"] == "2025-10-10T11:55:36.000Z"


def test_what_was_acknowledged_survives_a_kill_at_full_speed_once_each(
    pipelines: Kubectl, platform: Platform, search: Search
) -> None:
    pipelines.apply(FLOOD)
    wait_until(lambda: _is_running(pipelines, "flood"), "the pipeline runs")
    sender = Sender(5046 + platform.port_offset)
    sender.start()
    wait_until(lambda: sender.acknowledged > 3000, "events flow")
    os.kill(platform.workers()["telemetry"], signal.SIGKILL)
    at_kill = sender.acknowledged
    wait_until(lambda: sender.acknowledged > at_kill + 2000, "events flow again")
    sender.stop()
    search.ask("/flood/_refresh", {})
    assert search.ask("/flood/_count")["count"] == sender.acknowledged


def test_documents_are_updated_and_deleted_as_an_event_says(
    pipelines: Kubectl, platform: Platform, search: Search
) -> None:
    pipelines.apply(ACTIONS)
    steps = [("index", "1", 1), ("update", "1", 2), ("update", "2", 7), ("index", "3", 1), ("delete", "3", 0)]
    lines = "".join(json.dumps({"op": op, "id": identity, "n": number}) + "\n" for op, identity, number in steps)
    _send(platform, 5012, lines)

    def found() -> dict[str, int]:
        return {each["id"]: each["n"] for each in search.sources("deeds", {"match_all": {}})}

    wait_until(lambda: found() == {"1": 2, "2": 7}, "the deeds are done", 15)


class Sender(threading.Thread):
    """Sends windows as a beat does: each again until it is acknowledged. acknowledged: events, numbers 0 to that."""

    WINDOW = 500

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self._is_over = False
        self.acknowledged = 0

    def run(self) -> None:
        line: socket.socket | None = None
        while not self._is_over:
            try:
                if line is None:
                    line = socket.create_connection(("127.0.0.1", self._port), timeout=20)
                line.sendall(_window([{"n": self.acknowledged + n, "message": "flood"} for n in range(self.WINDOW)]))
                while (frame := line.recv(6, socket.MSG_WAITALL)) == b"2A\0\0\0\0":
                    pass
                # While nobody listens, a connection to an ephemeral port can be one to itself, and echo.
                if frame != b"2A" + struct.pack(">I", self.WINDOW):
                    raise ConnectionError("cut off")
            except OSError:
                if line is not None:
                    line.close()
                line = None
                continue
            self.acknowledged += self.WINDOW
        if line is not None:
            line.close()

    def stop(self) -> None:
        """Return once the last window is acknowledged."""
        self._is_over = True
        self.join()


def _window(values: list[dict[str, object]]) -> bytes:
    frames = b""
    for sequence, value in enumerate(values, 1):
        body = json.dumps(value).encode()
        frames += b"2J" + struct.pack(">II", sequence, len(body)) + body
    packed = zlib.compress(frames, 3)
    return b"2W" + struct.pack(">I", len(values)) + b"2C" + struct.pack(">I", len(packed)) + packed


def _send(platform: Platform, port: int, text: str) -> None:
    def sent() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port + platform.port_offset), timeout=5) as line:
                line.sendall(text.encode())
        except ConnectionError:
            return False
        return True

    wait_until(sent, f"port {port} listens")


def _wait_for_access_logs(search: Search, index: str) -> None:
    wait_until(lambda: len(search.sources(f"{index}-2025.*", {"match_all": {}})) == 6, f"{index} is filled", 15)
    failed = {"term": {"tags.keyword": "_grokparsefailure"}}
    wait_until(lambda: search.sources(f"{index}-*", failed), f"{index} has the line that is none")
    assert len(search.sources(f"{index}-2025.10.11", {"match_all": {}})) == 3


def _is_running(kubectl: Kubectl, name: str) -> bool:
    found = kubectl.json("get", "pipelines.pipelines.maru.dev", name)
    return bool(found.get("status", {}).get("phase") == "Running")
