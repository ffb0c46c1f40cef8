"""Webhooks, policies and the rules of custom kinds, by kubectl, the Python client and kopf's own webhook server."""

from __future__ import annotations

import asyncio
import base64
import http.server
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kopf
import pytest
from kubernetes import client, config

from tests.clients.platform import Kubectl, wait_until

GROUP = "port.example.com"


def definition(plural: str, kind: str, versions: list[dict[str, Any]], **more: Any) -> str:
    names = {"plural": plural, "kind": kind, "singular": kind.lower()}
    spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": versions, **more}
    return json.dumps(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{GROUP}"},
            "spec": spec,
        }
    )


def version(name: str, spec: dict[str, Any], *, storage: bool = True) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"spec": {"type": "object", **spec}}}
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}}


def custom(kind: str, name: str, spec: dict[str, Any], api_version: str = f"{GROUP}/v1") -> str:
    return json.dumps({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec})


def certified(folder: Path) -> tuple[Path, Path]:
    """The key and certificate of a server on this machine."""
    key, certificate = folder / "tls.key", folder / "tls.crt"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "1", "-subj", "/CN=webhook"]
    subprocess.run([*command, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return key, certificate


class Server:
    """An HTTPS server that answers reviews with `answer(request)`. seen: the requests, in order."""

    def __init__(self, folder: Path, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        key, certificate = certified(folder)
        self.seen: list[dict[str, Any]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                request = review["request"]
                server.seen.append(request)
                body = json.dumps({**review, "response": {"uid": request["uid"], **answer(request)}}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                return

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        bundle = base64.b64encode(certificate.read_bytes()).decode()
        self.config = {"url": f"https://127.0.0.1:{self._http.server_address[1]}/hook", "caBundle": bundle}
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    opened: list[Server] = []

    def open_server(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> Server:
        opened.append(Server(tmp_path, answer))
        return opened[-1]

    yield open_server
    for one in opened:
        one.close()


@pytest.fixture
def cleaned(kubectl36: Kubectl) -> Iterator[list[str]]:
    """Names (kind/name) that are deleted at the end: what is not in the test's namespace."""
    names: list[str] = []
    yield names
    for name in reversed(names):
        kubectl36("delete", name, "--ignore-not-found", "--wait=false")


def webhook(name: str, namespace: str, hook: dict[str, Any], *, mutating: bool = False) -> str:
    rule = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
    rules = hook.pop("rules", [rule])
    kind = "MutatingWebhookConfiguration" if mutating else "ValidatingWebhookConfiguration"
    one = {
        "name": f"{name}.example.com",
        "rules": rules,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        **hook,
    }
    meta = {"name": f"{name}-{namespace}"}
    return json.dumps(
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": meta, "webhooks": [one]}
    )


def test_webhooks_change_and_refuse(kubectl36: Kubectl, served: Callable[..., Server], cleaned: list[str]) -> None:
    space = kubectl36.namespace

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if (request.get("object") or {}).get("data", {}).get("bad"):
            return {"allowed": False, "status": {"message": "no bad maps", "code": 403}, "warnings": ["be good"]}
        patch = [{"op": "add", "path": "/data/stamped", "value": "yes"}]
        patched = base64.b64encode(json.dumps(patch).encode()).decode()
        return {"allowed": True, "patchType": "JSONPatch", "patch": patched}

    server = served(answer)
    condition = {
        "name": "not-exempt",
        "expression": "!has(object.metadata.labels) || !('exempt' in object.metadata.labels)",
    }
    hook = {"clientConfig": server.config, "matchConditions": [condition]}
    hook["rules"] = [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}]
    kubectl36.apply(webhook("stamp", space, hook, mutating=True))
    cleaned.append(f"mutatingwebhookconfiguration/stamp-{space}")
    kubectl36("create", "configmap", "good", "--from-literal=a=b")
    assert kubectl36.json("get", "configmap", "good")["data"] == {"a": "b", "stamped": "yes"}
    said = kubectl36.fails("create", "configmap", "bad", "--from-literal=bad=1")
    assert 'admission webhook "stamp.example.com" denied the request: no bad maps' in said
    assert "Warning: be good" in said
    assert server.seen[-1]["userInfo"]["username"] and server.seen[-1]["operation"] == "CREATE"
    count = len(server.seen)
    kubectl36.apply(
        '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"free","labels":{"exempt":""}},"data":{"bad":"1"}}'
    )
    assert len(server.seen) == count
    server.close()
    said = kubectl36.fails("create", "configmap", "late", "--from-literal=a=b")
    assert 'failed calling webhook "stamp.example.com": failed to call webhook: Post "https://127.0.0.1:' in said


def test_kopf_serves_webhooks(
    kubectl36: Kubectl, cleaned: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = certified(tmp_path)
    kubectl36.apply(definition("ferries", "Ferry", [version("v1", {"x-kubernetes-preserve-unknown-fields": True})]))
    cleaned.append(f"crd/ferries.{GROUP}")
    kubectl36("wait", "--for=condition=Established", f"crd/ferries.{GROUP}", "--timeout=10s")
    cleaned.append("validatingwebhookconfiguration/kopf.test")
    cleaned.append("mutatingwebhookconfiguration/kopf.test")
    monkeypatch.setenv("KUBECONFIG", str(kubectl36.platform.kubeconfig))
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    def configure(settings: kopf.OperatorSettings, **_: object) -> None:
        settings.admission.server = kopf.WebhookServer(
            addr="127.0.0.1", host="127.0.0.1", certfile=certificate, pkeyfile=key, cafile=certificate
        )
        settings.admission.managed = "kopf.test"

    @kopf.on.login(registry=registry)
    def login(**facts: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_kubeconfig(**facts)

    @kopf.on.validate(GROUP, "v1", "ferries", registry=registry)
    def seats(spec: kopf.Spec, warnings: list[str], **_: object) -> None:
        warnings.append("weather may change")
        if spec.get("seats", 0) > 100:
            raise kopf.AdmissionError("too many seats", code=422)

    @kopf.on.mutate(GROUP, "v1", "ferries", registry=registry)
    def name(spec: kopf.Spec, patch: kopf.Patch, **_: object) -> None:
        if not spec.get("line"):
            patch.spec["line"] = "harbour"

    stop, ready = threading.Event(), threading.Event()

    def run() -> None:
        operator = kopf.operator(
            registry=registry, namespaces=[kubectl36.namespace], stop_flag=stop, ready_flag=ready, standalone=True
        )
        asyncio.run(operator)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(30)
        wait_until(
            lambda: (
                kubectl36("get", "mutatingwebhookconfiguration", "kopf.test", "--ignore-not-found", "-o", "name")
                and kubectl36.json("get", "mutatingwebhookconfiguration", "kopf.test").get("webhooks")
            ),
            "kopf registered its webhooks",
        )
        kubectl36.apply(custom("Ferry", "small", {"seats": 5}))
        assert kubectl36.json("get", "ferry", "small")["spec"] == {"seats": 5, "line": "harbour"}
        assert "too many seats" in kubectl36.fails("apply", "-f", "-", stdin=custom("Ferry", "big", {"seats": 500}))
    finally:
        stop.set()
        thread.join(30)


def test_policies_refuse_warn_and_change(kubectl36: Kubectl, cleaned: list[str]) -> None:
    space = kubectl36.namespace
    rules = [
        {"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
    ]
    match = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}}}
    api = "admissionregistration.k8s.io/v1"
    few = {
        "apiVersion": api,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": f"few-{space}"},
        "spec": {
            "matchConstraints": {"resourceRules": rules},
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "matchConditions": [{"name": "not-params", "expression": "object.metadata.name != 'limits'"}],
            "variables": [{"name": "keys", "expression": "object.?data.orValue({}).size()"}],
            "validations": [
                {
                    "expression": "variables.keys <= int(params.data.most)",
                    "messageExpression": "'at most ' + params.data.most + ' keys, found ' + string(variables.keys)",
                },
                {
                    "expression": "authorizer.group('').resource('configmaps').namespace(request.namespace)"
                    ".check('create').allowed()"
                },
            ],
        },
    }
    binding = {
        "apiVersion": api,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": f"few-{space}"},
        "spec": {
            "policyName": f"few-{space}",
            "validationActions": ["Deny"],
            "paramRef": {"name": "limits", "namespace": space, "parameterNotFoundAction": "Deny"},
            "matchResources": match,
        },
    }
    kubectl36("create", "configmap", "limits", "--from-literal=most=2")
    cleaned += [f"validatingadmissionpolicy/few-{space}", f"validatingadmissionpolicybinding/few-{space}"]
    kubectl36.apply(json.dumps(few))
    kubectl36.apply(json.dumps(binding))
    kubectl36("create", "configmap", "two", "--from-literal=a=1", "--from-literal=b=2")
    three = ("create", "configmap", "three", "--from-literal=a=1", "--from-literal=b=2", "--from-literal=c=3")
    said = kubectl36.fails(*three)
    words = (
        f"ValidatingAdmissionPolicy 'few-{space}' with binding 'few-{space}' denied request: at most 2 keys, found 3"
    )
    assert words in said
    binding["spec"]["validationActions"] = ["Warn"]  # type: ignore[index]
    kubectl36.apply(json.dumps(binding))
    assert "Validation failed for ValidatingAdmissionPolicy" in kubectl36.run(*three).stderr
    few["spec"]["validations"] = [{"expression": "object.spec > "}]  # type: ignore[index]
    assert "Syntax error" in kubectl36.fails("apply", "-f", "-", stdin=json.dumps(few))
    change = {
        "apiVersion": api,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": f"mark-{space}"},
        "spec": {
            "matchConstraints": {"resourceRules": rules},
            "reinvocationPolicy": "Never",
            "mutations": [
                {
                    "patchType": "ApplyConfiguration",
                    "applyConfiguration": {
                        "expression": "Object{metadata: Object.metadata{labels: {'marked': 'yes'}}}"
                    },
                },
                {
                    "patchType": "JSONPatch",
                    "jsonPatch": {"expression": "[JSONPatch{op: 'add', path: '/data/more', value: 'x'}]"},
                },
            ],
        },
    }
    cleaned += [f"mutatingadmissionpolicy/mark-{space}", f"mutatingadmissionpolicybinding/mark-{space}"]
    kubectl36.apply(json.dumps(change))
    spec = {"policyName": f"mark-{space}", "matchResources": match}
    bind = {"kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": f"mark-{space}"}, "spec": spec}
    kubectl36.apply(json.dumps({"apiVersion": api, **bind}))
    kubectl36("create", "configmap", "marked", "--from-literal=a=1")
    made = kubectl36.json("get", "configmap", "marked")
    assert made["metadata"]["labels"] == {"marked": "yes"}
    assert made["data"] == {"a": "1", "more": "x"}


def test_rules_hold_between_versions_and_updates(kubectl36: Kubectl, cleaned: list[str]) -> None:
    config.load_kube_config(str(kubectl36.platform.kubeconfig))
    rules = [
        {
            "rule": "self.low <= self.high",
            "messageExpression": "'low %d is over high %d'.format([self.low, self.high])",
        },
        {"rule": "self.low >= oldSelf.low", "message": "low may not fall", "fieldPath": ".low"},
    ]
    fields = {"low": {"type": "integer"}, "high": {"type": "integer", "default": 9}, "note": {"type": "string"}}
    kubectl36.apply(
        definition("tides", "Tide", [version("v1", {"properties": fields, "x-kubernetes-validations": rules})])
    )
    cleaned.append(f"crd/tides.{GROUP}")
    kubectl36("wait", "--for=condition=Established", f"crd/tides.{GROUP}", "--timeout=10s")
    assert "low 10 is over high 9" in kubectl36.fails("apply", "-f", "-", stdin=custom("Tide", "a", {"low": 10}))
    kubectl36.apply(custom("Tide", "a", {"low": 5}))
    assert "spec.low: Invalid value: low may not fall" in kubectl36.fails(
        "apply", "-f", "-", stdin=custom("Tide", "a", {"low": 4})
    )
    bad = version("v1", {"properties": fields, "x-kubernetes-validations": [{"rule": "self.z > 1"}]})
    with pytest.raises(client.ApiException) as refused:
        client.ApiextensionsV1Api().create_custom_resource_definition(json.loads(definition("waves", "Wave", [bad])))
    assert refused.value.status == 422
    assert "compilation failed" in refused.value.body and "undefined field 'z'" in refused.value.body


def test_versions_are_converted_by_webhook(
    kubectl36: Kubectl, served: Callable[..., Server], cleaned: list[str]
) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        converted = []
        for one in request["objects"]:
            spec = dict(one["spec"])
            if request["desiredAPIVersion"].endswith("/v2"):
                spec = {"host": spec["address"].partition(":")[0], "port": spec["address"].partition(":")[2]}
            else:
                spec = {"address": f"{spec['host']}:{spec['port']}"}
            converted.append({**one, "apiVersion": request["desiredAPIVersion"], "spec": spec})
        return {"result": {"status": "Success"}, "convertedObjects": converted}

    server = served(answer)
    text = {"type": "string"}
    versions = [
        version("v1", {"properties": {"address": text}}),
        version("v2", {"properties": {"host": text, "port": text}}, storage=False),
    ]
    hook = {"clientConfig": server.config, "conversionReviewVersions": ["v1"]}
    conversion = {"strategy": "Webhook", "webhook": hook}
    kubectl36.apply(definition("piers", "Pier", versions, conversion=conversion))
    cleaned.append(f"crd/piers.{GROUP}")
    kubectl36("wait", "--for=condition=Established", f"crd/piers.{GROUP}", "--timeout=10s")
    kubectl36.apply(custom("Pier", "one", {"address": "a:1"}))
    kubectl36.apply(custom("Pier", "two", {"host": "b", "port": "2"}, f"{GROUP}/v2"))
    listed = kubectl36.json("get", f"piers.v2.{GROUP}")["items"]
    assert [one["spec"] for one in listed] == [{"host": "a", "port": "1"}, {"host": "b", "port": "2"}]
    assert kubectl36.json("get", f"piers.v1.{GROUP}", "two")["spec"] == {"address": "b:2"}
    kubectl36("patch", f"pier.v2.{GROUP}", "one", "--type=merge", "-p", '{"spec":{"port":"7"}}')
    assert kubectl36.json("get", f"piers.v1.{GROUP}", "one")["spec"] == {"address": "a:7"}
    kubectl36("delete", "piers", "--all", "--wait=true", "--timeout=20s")
