"""Who may do what: roles, tokens, certificates, and what nobody may."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import ryaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.clients.platform import Kubectl, Platform, wait_until


def ask(platform: Platform, path: str, token: str = "") -> tuple[int, str]:
    """An HTTPS request without a client certificate."""
    config = ryaml.loads(platform.kubeconfig.read_text())
    authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    request = urllib.request.Request(platform.server + path)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(
            request, context=ssl.create_default_context(cadata=authority), timeout=10
        ) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_anonymous_sees_version_and_health_and_no_more(platform: Platform) -> None:
    assert ask(platform, "/version")[0] == 200
    assert ask(platform, "/readyz") == (200, "ok")
    status, body = ask(platform, "/api/v1/pods")
    assert status == 403
    assert 'User "system:anonymous" cannot list resource "pods"' in json.loads(body)["message"]
    assert ask(platform, "/apis")[0] == 403


def test_a_forged_token_is_refused(platform: Platform) -> None:
    status, body = ask(platform, "/api/v1/pods", "eyJhbGciOiJub25lIn0.e30.")
    assert (status, json.loads(body)["reason"]) == (401, "Unauthorized")


def test_a_service_account_may_do_what_its_role_says(kubectl: Kubectl) -> None:
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=configmaps")
    kubectl("create", "rolebinding", "robot", "--role=reader", f"--serviceaccount={kubectl.namespace}:robot")
    token = kubectl("create", "token", "robot", "--duration=20m").strip()
    place = f"/api/v1/namespaces/{kubectl.namespace}"
    wait_until(lambda: ask(kubectl.platform, f"{place}/configmaps", token)[0] == 200, "the role is in force")
    assert ask(kubectl.platform, f"{place}/secrets", token)[0] == 403
    user = f"system:serviceaccount:{kubectl.namespace}:robot"
    assert kubectl("auth", "can-i", "list", "configmaps", f"--as={user}").strip() == "yes"
    assert kubectl.run("auth", "can-i", "delete", "configmaps", f"--as={user}", check=False).stdout.strip() == "no"
    assert "configmaps" in kubectl("auth", "can-i", "--list", f"--as={user}")
    kubectl("delete", "serviceaccount", "robot")
    wait_until(lambda: ask(kubectl.platform, f"{place}/configmaps", token)[0] == 401, "the token died with its account")


def test_who_am_i(kubectl: Kubectl) -> None:
    assert "system:masters" in kubectl("auth", "whoami")


def test_a_pod_reaches_the_api_with_its_own_token(kubectl36: Kubectl) -> None:
    kubectl36("run", "self", "--image=busybox:latest", "--image-pull-policy=IfNotPresent", "--", "sleep", "1000")
    kubectl36("wait", "--for=condition=Ready", "pod/self", "--timeout=30s")
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert kubectl36("exec", "self", "--", "cat", f"{folder}/namespace") == kubectl36.namespace
    token = kubectl36("exec", "self", "--", "cat", f"{folder}/token")
    status, body = ask(kubectl36.platform, "/api/v1/nodes", token)
    assert status == 403
    assert f"system:serviceaccount:{kubectl36.namespace}:default" in body
    reached = kubectl36("exec", "self", "--", "sh", "-c", "nc -w 3 kubernetes.default.svc 443 </dev/null && echo open")
    assert reached == "open\n"


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_certificate_requests_are_decided_by_people(kubectl: Kubectl, tmp_path: Path, decision: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "jane"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "devs")]
    )
    asked = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    encoded = base64.b64encode(asked.public_bytes(serialization.Encoding.PEM)).decode()
    request = f"jane-{kubectl.namespace}-{decision}"
    kubectl.apply(
        f"""
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: {request}}}
spec:
  request: {encoded}
  signerName: kubernetes.io/kube-apiserver-client
  expirationSeconds: 86400
  usages: [client auth]
"""
    )
    kubectl("certificate", decision, request)
    if decision == "deny":
        assert kubectl("get", "csr", request).splitlines()[1].split()[-1] == "Denied"
        return
    wait_until(lambda: kubectl("get", "csr", request, "-o", "jsonpath={.status.certificate}"), "it is issued")
    assert kubectl("get", "csr", request).splitlines()[1].split()[-1] == "Approved,Issued"
    issued = base64.b64decode(kubectl("get", "csr", request, "-o", "jsonpath={.status.certificate}"))
    (tmp_path / "jane.crt").write_bytes(issued)
    (tmp_path / "jane.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    config = tmp_path / "config"
    config.write_bytes(kubectl.platform.kubeconfig.read_bytes())
    base = [kubectl.command()[0], "--kubeconfig", str(config)]
    subprocess.run(
        [
            *base,
            "config",
            "set-credentials",
            "jane",
            f"--client-certificate={tmp_path}/jane.crt",
            f"--client-key={tmp_path}/jane.key",
        ],
        check=True,
        capture_output=True,
    )
    done = subprocess.run([*base, "--user=jane", "get", "pods"], capture_output=True, text=True, check=False)
    assert 'User "jane" cannot list resource "pods"' in done.stderr


def test_nobody_hands_out_more_than_they_have(kubectl36: Kubectl) -> None:
    kubectl36("create", "serviceaccount", "clerk")
    kubectl36("create", "role", "clerk", "--verb=create,update,patch", "--resource=roles.rbac.authorization.k8s.io")
    kubectl36("create", "rolebinding", "clerk", "--role=clerk", f"--serviceaccount={kubectl36.namespace}:clerk")
    user = f"--as=system:serviceaccount:{kubectl36.namespace}:clerk"
    said = ""

    def refused() -> bool:
        nonlocal said
        said = kubectl36.fails("create", "role", "thief", "--verb=get", "--resource=secrets", user)
        return "attempting to grant RBAC permissions not currently held" in said

    wait_until(refused, "granting more is refused")
