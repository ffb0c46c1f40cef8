"""Webhooks that write themselves while they are asked, and what stays out of their reach."""

import asyncio
import base64
import datetime
import ipaddress
import ssl
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from maru.components.apiserver.controllers.bootstrap.ensure import ensure_all
from maru.core.site import Site
from tests.components.apiserver.test_admission import pod

DEFAULT = "/api/v1/namespaces/default"
MAPS = f"{DEFAULT}/configmaps"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
MERGE = "application/merge-patch+json"


def certified(folder):
    """A TLS context of 127.0.0.1 and its certificate in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "webhook")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    none = serialization.NoEncryption()
    both = folder / "webhook.pem"
    both.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none) + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context, pem


@asynccontextmanager
async def asked(folder, answer):
    """A webhook server whose reviews `answer(request)` answers; gives its clientConfig."""
    context, pem = certified(folder)

    async def review(request):
        value = msgspec.json.decode(await request.read())
        response = {"uid": value["request"]["uid"], **await answer(value["request"])}
        return web.Response(body=msgspec.json.encode({**value, "response": response}), content_type="application/json")

    application = web.Application()
    application.router.add_post("/", review)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield {"url": f"https://127.0.0.1:{port}/", "caBundle": base64.b64encode(pem).decode()}
    finally:
        await runner.cleanup()


def webhook(config, *resources, group="", kind="ValidatingWebhookConfiguration", **more):
    rule = {"operations": ["*"], "apiGroups": [group], "apiVersions": ["*"], "resources": list(resources)}
    one = {"name": "w.example.com", "clientConfig": config, "rules": [rule], "sideEffects": "None"}
    one |= {"admissionReviewVersions": ["v1"], "timeoutSeconds": 5, **more}
    return {"metadata": {"name": "w"}, "kind": kind, "webhooks": [one]}


async def test_a_webhook_may_write_the_document_it_is_asked_about(api, tmp_path):
    await api.must_do("POST", MAPS, {"metadata": {"name": "c"}})
    asked_about = []

    async def answer(request):
        asked_about.append(request["operation"])
        if len(asked_about) == 1:
            await api.must_do("PATCH", f"{MAPS}/c", {"data": {"by": request["operation"]}}, media=MERGE)
        return {"allowed": True}

    async with asked(tmp_path, answer) as config, asyncio.timeout(4):
        hooks = f"{HOOKS}/validatingwebhookconfigurations"
        await api.must_do("POST", hooks, webhook(config, "configmaps"))
        after = await api.must_do("PATCH", f"{MAPS}/c", {"data": {"mine": "1"}}, media=MERGE)
        assert after["data"] == {"by": "UPDATE", "mine": "1"}
        assert asked_about == ["UPDATE"] * 3

        asked_about.clear()
        after = await api.must_do("PUT", f"{MAPS}/c", {"metadata": {"name": "c"}, "data": {"all": "mine"}})
        assert after["data"] == {"all": "mine"}

        asked_about.clear()
        status = await api.must_refuse(409, "PUT", f"{MAPS}/c", {**after, "data": {"mine": "2"}})
        assert "the object has been modified" in status["message"]

        asked_about.clear()
        await api.must_do("DELETE", f"{MAPS}/c")
        assert asked_about == ["DELETE", "UPDATE", "DELETE"]


async def test_a_webhook_may_write_in_a_namespace_with_a_quota(api, account, tmp_path):
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2"}}}
    await api.must_do("POST", f"{DEFAULT}/resourcequotas", quota)

    async def answer(request):
        if request["name"] == "a":
            await api.must_do("POST", f"{DEFAULT}/pods", pod("b"))
        return {"allowed": True}

    async with asked(tmp_path, answer) as config, asyncio.timeout(4):
        await api.must_do("POST", f"{HOOKS}/validatingwebhookconfigurations", webhook(config, "pods"))
        await api.must_do("POST", f"{DEFAULT}/pods", pod("a"))
        status = await api.must_refuse(403, "POST", f"{DEFAULT}/pods", pod("c"))
    assert "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2" in status["message"]


async def test_the_server_starts_and_webhooks_can_be_taken_away_whatever_they_refuse(api, tmp_path):
    role = "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical"
    await api.must_do("DELETE", role)
    nowhere = {"url": "https://127.0.0.1:1/"}
    for kind in ("Validating", "Mutating"):
        hooks = f"{HOOKS}/{kind.lower()}webhookconfigurations"
        await api.must_do("POST", hooks, webhook(nowhere, "*/*", group="*", kind=f"{kind}WebhookConfiguration"))
    status = await api.must_refuse(500, "POST", MAPS, {"metadata": {"name": "c"}})
    assert 'failed calling webhook "w.example.com"' in status["message"]
    server = api.server
    await ensure_all(server.founding, Site(data_dir=tmp_path, node_name="n"), server.services.first_address, "10.0.0.9")
    await api.must_do("GET", role)
    for kind in ("validating", "mutating"):
        await api.must_do("DELETE", f"{HOOKS}/{kind}webhookconfigurations/w")
    await api.must_do("POST", MAPS, {"metadata": {"name": "c"}})


async def test_evictions_bindings_tokens_and_scales_are_shown_as_what_they_are(api, account, tmp_path):
    seen = []

    async def answer(request):
        kind = request["object"] and request["object"]["kind"]
        seen.append((request["operation"], request["resource"]["resource"], request.get("subResource"), kind))
        return {"allowed": request["name"] != "no", "warnings": ["seen"]}

    deployments = "/apis/apps/v1/namespaces/default/deployments"
    labels = {"matchLabels": {"a": "b"}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod()["spec"]}
    spec = {"replicas": 1, "selector": labels, "template": template}
    await api.must_do("POST", deployments, {"metadata": {"name": "d"}, "spec": spec})
    await api.must_do("POST", f"{DEFAULT}/pods", pod("p"))
    await api.must_do("POST", f"{DEFAULT}/pods", pod("no"))
    async with asked(tmp_path, answer) as config, asyncio.timeout(4):
        hooks = f"{HOOKS}/validatingwebhookconfigurations"
        await api.must_do("POST", hooks, webhook(config, "*", "*/*", group="*"))
        target = {"kind": "Node", "name": "node-1"}
        await api.must_do("POST", f"{DEFAULT}/pods/p/binding", {"metadata": {"name": "p"}, "target": target})
        status = await api.must_refuse(
            400, "POST", f"{DEFAULT}/pods/no/binding", {"metadata": {"name": "no"}, "target": target}
        )
        assert 'admission webhook "w.example.com" denied the request' in status["message"]
        assert not (await api.must_do("GET", f"{DEFAULT}/pods/no"))["spec"].get("nodeName")
        await api.must_do("POST", f"{DEFAULT}/serviceaccounts/default/token", {"spec": {}})
        await api.must_do("POST", f"{DEFAULT}/pods/p/eviction", {"metadata": {"name": "p"}})
        media = MERGE
        scaled = await api.must_do("PATCH", f"{deployments}/d/scale", {"spec": {"replicas": 3}}, media=media)
    assert scaled["spec"]["replicas"] == 3
    assert [one for one in seen if one[1] != "pods" or one[2]] == [
        ("CREATE", "pods", "binding", "Binding"),
        ("CREATE", "pods", "binding", "Binding"),
        ("CREATE", "serviceaccounts", "token", "TokenRequest"),
        ("CREATE", "pods", "eviction", "Eviction"),
        ("UPDATE", "deployments", "scale", "Scale"),
    ]
    assert not any(one[0] == "DELETE" for one in seen)


async def test_a_node_port_that_two_writes_ask_for_stays_with_its_service(api, tmp_path):
    services = f"{DEFAULT}/services"
    port = {"port": 80, "protocol": "TCP", "nodePort": 30123}
    made = await api.must_do("POST", services, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    change = {"spec": {"type": "NodePort", "ports": [port]}}
    is_first = True

    async def answer(request):
        nonlocal is_first
        if is_first:
            is_first = False
            await api.ask("PATCH", f"{services}/s", change, media=MERGE)
        return {"allowed": True}

    async with asked(tmp_path, answer) as config, asyncio.timeout(4):
        hooks = f"{HOOKS}/validatingwebhookconfigurations"
        await api.must_do("POST", hooks, webhook(config, "services"))
        await api.ask("PUT", f"{services}/s", {**made, "spec": {**made["spec"], **change["spec"]}})
    after = await api.must_do("GET", f"{services}/s")
    assert after["spec"]["ports"][0]["nodePort"] == 30123
    other = {"metadata": {"name": "t"}, "spec": {"type": "NodePort", "ports": [port]}}
    await api.must_do("DELETE", f"{HOOKS}/validatingwebhookconfigurations/w")
    status = await api.must_refuse(422, "POST", services, other)
    assert "provided port is already allocated" in status["message"]
