"""Subresources that do something: scale, binding, eviction, tokens, reviews, streams."""

import asyncio
import base64

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from maru.core.access import Caller

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"


async def make_deployment(api):
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "w"}}, "template": template}
    return await api.must_do("POST", DEPLOYMENTS, {"metadata": {"name": "w"}, "spec": spec})


async def make_pod(api, name="p", labels=None, **spec):
    value = {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"containers": [{"name": "c", "image": "i"}], **spec},
    }
    return await api.must_do("POST", PODS, value)


async def test_scale_shows_and_changes_replicas(api):
    await make_deployment(api)
    scale = await api.must_do("GET", f"{DEPLOYMENTS}/w/scale")
    assert scale["kind"] == "Scale" and scale["spec"] == {"replicas": 2}
    assert scale["status"] == {"replicas": 0, "selector": "app=w"}
    scale["spec"]["replicas"] = 5
    assert (await api.must_do("PUT", f"{DEPLOYMENTS}/w/scale", scale))["spec"]["replicas"] == 5
    after = await api.must_do("GET", f"{DEPLOYMENTS}/w")
    assert after["spec"]["replicas"] == 5 and after["metadata"]["generation"] == 2
    await api.must_refuse(409, "PUT", f"{DEPLOYMENTS}/w/scale", scale)
    await api.must_do("PATCH", f"{DEPLOYMENTS}/w/scale", {"spec": {"replicas": 0}}, media=MERGE)
    assert (await api.must_do("GET", f"{DEPLOYMENTS}/w"))["spec"]["replicas"] == 0
    await api.must_refuse(422, "PATCH", f"{DEPLOYMENTS}/w/scale", {"spec": {"replicas": -1}}, media=MERGE)


async def test_a_pod_is_bound_once(api, account):
    await make_pod(api)
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "n1"},
    }
    status, answer = await api.ask("POST", f"{PODS}/p/binding", binding)
    assert status == 201 and answer["status"] == "Success"
    bound = await api.must_do("GET", f"{PODS}/p")
    assert bound["spec"]["nodeName"] == "n1"
    assert bound["status"]["conditions"][0]["type"] == "PodScheduled"
    refused = await api.must_refuse(409, "POST", f"{PODS}/p/binding", binding)
    assert 'pod p is already assigned to node "n1"' in refused["message"]


async def test_eviction_asks_the_budget(api, account):
    await make_pod(api, "a", {"app": "x"}, nodeName="n1", terminationGracePeriodSeconds=0)
    ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    await api.must_do("PATCH", f"{PODS}/a/status", ready, media=MERGE)
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    budget = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}}
    await api.must_do("POST", budgets, budget)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
    early = await api.must_refuse(429, "POST", f"{PODS}/a/eviction", eviction)
    assert early["details"]["retryAfterSeconds"] == 10
    none = {
        "status": {
            "observedGeneration": 1,
            "disruptionsAllowed": 0,
            "currentHealthy": 1,
            "desiredHealthy": 1,
            "expectedPods": 1,
        }
    }
    await api.must_do("PATCH", f"{budgets}/b/status", none, media=MERGE)
    refused = await api.must_refuse(429, "POST", f"{PODS}/a/eviction", eviction)
    assert refused["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert (
        refused["details"]["causes"][0]["message"] == "The disruption budget b needs 1 healthy pods and has 1 currently"
    )
    await api.must_do("PATCH", f"{budgets}/b/status", {"status": {"disruptionsAllowed": 1}}, media=MERGE)
    await api.must_do("POST", f"{PODS}/a/eviction", eviction)
    await api.must_refuse(404, "GET", f"{PODS}/a")
    after = await api.must_do("GET", f"{budgets}/b")
    assert after["status"]["disruptionsAllowed"] == 0 and "a" in after["status"]["disruptedPods"]


async def test_an_evicted_pod_says_so_while_it_goes(api, account):
    await make_pod(api, "a", nodeName="n1", terminationGracePeriodSeconds=30)
    await api.must_do("PATCH", f"{PODS}/a/status", {"status": {"phase": "Running"}}, media=MERGE)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
    await api.must_do("POST", f"{PODS}/a/eviction?dryRun=All", eviction)
    assert "conditions" not in (await api.must_do("GET", f"{PODS}/a"))["status"]
    await api.must_do("POST", f"{PODS}/a/eviction", eviction)
    going = await api.must_do("GET", f"{PODS}/a")
    assert going["metadata"]["deletionTimestamp"]
    condition = going["status"]["conditions"][-1]
    assert (condition["type"], condition["reason"]) == ("DisruptionTarget", "EvictionByEvictionAPI")


async def test_tokens_name_their_account(api, account):
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    status, answer = await api.ask("POST", path, {"spec": {"audiences": [], "expirationSeconds": 3600}})
    assert status == 201
    review = {"spec": {"token": answer["status"]["token"]}}
    seen = await api.must_do("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert seen["status"]["authenticated"] is True
    assert seen["status"]["user"]["username"] == "system:serviceaccount:default:default"
    await api.must_refuse(422, "POST", path, {"spec": {"expirationSeconds": 1}})
    unknown = await api.must_do("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "x.y.z"}})
    assert "authenticated" not in unknown["status"]


async def test_reviews_answer_by_the_roles_there_are(api):
    reviews = "/apis/authorization.k8s.io/v1"
    asked = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
    mine = await api.must_do("POST", f"{reviews}/selfsubjectaccessreviews", {"spec": asked})
    assert mine["status"]["allowed"] is True
    theirs = await api.must_do("POST", f"{reviews}/subjectaccessreviews", {"spec": {**asked, "user": "jane"}})
    assert theirs["status"]["allowed"] is False
    local = f"{reviews}/namespaces/default/localsubjectaccessreviews"
    await api.must_do("POST", local, {"metadata": {"namespace": "default"}, "spec": {**asked, "user": "jane"}})
    who = await api.must_do("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert who["status"]["userInfo"]["username"] == "admin"
    rules = await api.must_do("POST", f"{reviews}/selfsubjectrulesreviews", {"spec": {"namespace": "default"}})
    assert rules["status"]["resourceRules"]
    assert not [one for one in api.store.storages() if "review" in one]


async def test_who_may_not_is_told_so(api):
    api.acting_as(Caller("jane", ("system:authenticated",)))
    status = await api.must_refuse(403, "GET", "/api/v1/namespaces/default/pods")
    assert status["message"] == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'
    )
    assert status["reason"] == "Forbidden"
    await api.must_refuse(403, "GET", "/metrics")


async def test_logs_need_a_container_that_can_be_told(api, account):
    containers = [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]
    await make_pod(api, "two", containers=containers)
    status = await api.must_refuse(400, "GET", f"{PODS}/two/log")
    assert status["message"] == "a container name must be specified for pod two, choose one of: [a b]"
    status = await api.must_refuse(400, "GET", f"{PODS}/two/log?container=z")
    assert status["message"] == "container z is not valid for pod two"
    assert (await api.answer("GET", f"{PODS}/two/log?container=a")).body == b""
    await api.must_refuse(404, "GET", f"{PODS}/none/log")
    await api.must_refuse(400, "GET", f"{PODS}/two/log?container=a&tailLines=-1")


async def test_logs_and_execs_are_asked_of_the_node(api, account, tmp_path):
    seen = []

    async def node(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        seen.append(head.split("\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nline 1")
        await writer.drain()
        writer.close()

    (tmp_path / "run").mkdir(exist_ok=True)
    server = await asyncio.start_unix_server(node, str(tmp_path / "run" / "node.sock"))
    async with server:
        await make_pod(api, nodeName="node-1")
        answer = await api.answer("GET", f"{PODS}/p/log?follow=true&tailLines=5")
        assert b"".join([part async for part in answer.body]) == b"line 1"
        query = "command=ls&command=-l&stdout=true&stdin=1&tty=false&container=c"
        answer = await api.answer("POST", f"{PODS}/p/exec?{query}")
        await answer.body.aclose()
    assert seen == [
        "GET /containerLogs/default/p/c?follow=true&tailLines=5 HTTP/1.1",
        "POST /exec/default/p/c?command=ls&command=-l&input=1&output=1 HTTP/1.1",
    ]


async def test_only_resources_can_be_resized_and_only_ephemeral_containers_added(api, account):
    await make_pod(api, containers=[{"name": "c", "image": "i", "resources": {"requests": {"cpu": "500m"}}}])
    added = {"spec": {"containers": [], "ephemeralContainers": [{"name": "debug", "image": "b"}]}}
    after = await api.must_do(
        "PATCH", f"{PODS}/p/ephemeralcontainers", added, media="application/strategic-merge-patch+json"
    )
    assert after["spec"]["ephemeralContainers"][0]["name"] == "debug"
    assert after["spec"]["containers"][0]["image"] == "i"
    change = {"spec": {"containers": [{"name": "c", "image": "other", "resources": {"requests": {"cpu": "1"}}}]}}
    resized = await api.must_do("PATCH", f"{PODS}/p/resize", change, media="application/strategic-merge-patch+json")
    container = resized["spec"]["containers"][0]
    assert container["image"] == "i" and container["resources"]["requests"]["cpu"] == "1"


async def test_component_statuses_are_listed(api):
    assert len((await api.must_do("GET", "/api/v1/componentstatuses"))["items"]) == 3
    await api.must_refuse(404, "GET", "/api/v1/componentstatuses/x")


async def test_conditions_of_a_signing_request_get_their_times(api):
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "jane")])
    asked = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
    )
    request = base64.b64encode(asked.public_bytes(Encoding.PEM)).decode()
    spec = {"request": request, "signerName": "example.com/x", "usages": ["client auth"]}
    made = await api.must_do("POST", path, {"metadata": {"name": "a"}, "spec": spec})
    made["status"] = {"conditions": [{"type": "Approved", "status": "True", "reason": "r", "message": "m"}]}
    condition = (await api.must_do("PUT", f"{path}/a/approval", made))["status"]["conditions"][0]
    assert condition["lastUpdateTime"] and condition["lastTransitionTime"]


async def test_a_new_disruption_budget_counts_nothing_yet(api):
    path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    made = await api.must_do("POST", path, {"metadata": {"name": "b"}, "spec": {"minAvailable": 1}})
    assert made["status"] == {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}


async def test_being_bound_is_no_change_of_what_was_asked_for(api, account):
    await make_pod(api, "a")
    binding = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "n1"}}
    await api.must_do("POST", f"{PODS}/a/binding", binding)
    bound = await api.must_do("GET", f"{PODS}/a")
    assert (bound["spec"]["nodeName"], bound["metadata"]["generation"]) == ("n1", 1)
