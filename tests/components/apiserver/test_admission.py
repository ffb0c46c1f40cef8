"""Admission: what is filled in, and what is refused."""

import asyncio

from maru.core.access import Caller

PODS = "/api/v1/namespaces/default/pods"
DEFAULT = "/api/v1/namespaces/default"


def pod(name="p", **spec):
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


async def test_a_pod_gets_its_account_token_tolerations_and_priority(api, account):
    made = await api.must_do("POST", PODS, pod())
    spec = made["spec"]
    assert spec["serviceAccountName"] == "default" and spec["priority"] == 0
    volume = spec["volumes"][0]
    assert volume["name"].startswith("kube-api-access-")
    assert [next(iter(one)) for one in volume["projected"]["sources"]] == [
        "serviceAccountToken",
        "configMap",
        "downwardAPI",
    ]
    mount = spec["containers"][0]["volumeMounts"][0]
    assert mount == {
        "name": volume["name"],
        "readOnly": True,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    }
    assert {one["key"] for one in spec["tolerations"]} == {
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    }


async def test_an_account_that_is_not_there_is_refused(api, account):
    status = await api.must_refuse(403, "POST", PODS, pod(serviceAccountName="x"))
    assert 'error looking up service account default/x: serviceaccounts "x" not found' in status["message"]


async def test_priority_comes_from_the_class(api, account):
    made = await api.must_do("POST", PODS, pod(priorityClassName="system-cluster-critical"))
    assert made["spec"]["priority"] == 2000000000
    await api.must_refuse(403, "POST", PODS, pod("q", priorityClassName="none"))


async def test_limit_ranges_default_and_bound(api, account):
    limit = {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}, "max": {"cpu": "1"}}
    await api.must_do("POST", f"{DEFAULT}/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [limit]}})
    made = await api.must_do("POST", PODS, pod())
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "500m"}, "requests": {"cpu": "100m"}}
    big = pod("big", containers=[{"name": "c", "image": "i", "resources": {"limits": {"cpu": "2"}}}])
    status = await api.must_refuse(403, "POST", PODS, big)
    assert "maximum cpu usage per Container is 1, but limit is 2" in status["message"]


async def test_a_quota_holds_exactly_under_concurrent_creates(api):
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"configmaps": "7"}}}
    await api.must_do("POST", f"{DEFAULT}/resourcequotas", quota)
    wanted = [api.ask("POST", f"{DEFAULT}/configmaps", {"metadata": {"name": f"c{i}"}}) for i in range(20)]
    answers = await asyncio.gather(*wanted)
    assert sorted(status for status, _ in answers) == [201] * 7 + [403] * 13
    refused = next(body for status, body in answers if status == 403)
    assert "exceeded quota: q, requested: configmaps=1, used: configmaps=7, limited: configmaps=7" in refused["message"]
    after = await api.must_do("GET", f"{DEFAULT}/resourcequotas/q")
    assert after["status"]["used"]["configmaps"] == "7"


async def test_a_quota_of_cpu_wants_requests(api, account):
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "1"}}}
    await api.must_do("POST", f"{DEFAULT}/resourcequotas", quota)
    status = await api.must_refuse(403, "POST", PODS, pod())
    assert status["message"].endswith("failed quota: q: must specify requests.cpu for: c")
    half = [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "600m"}}}]
    await api.must_do("POST", PODS, pod("a", containers=half))
    status = await api.must_refuse(403, "POST", PODS, pod("b", containers=half))
    assert "requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1" in status["message"]


async def test_a_claim_gets_the_default_class_and_is_protected(api):
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    value = {"metadata": {"name": "fast", "annotations": annotations}, "provisioner": "x.example.com/y"}
    await api.must_do("POST", "/apis/storage.k8s.io/v1/storageclasses", value)
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    made = await api.must_do("POST", f"{DEFAULT}/persistentvolumeclaims", {"metadata": {"name": "c"}, "spec": spec})
    assert made["spec"]["storageClassName"] == "fast"
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]


async def test_nobody_gives_away_rights_they_do_not_have(api):
    allow_roles = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"]}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "r"},
        "rules": [allow_roles],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}],
    }
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    for plural, value in (("clusterroles", role), ("clusterrolebindings", binding)):
        made = await api.must_do("POST", f"{rbac}/{plural}", value)
        document = next(
            one
            for one in api.store.list(f"{plural}.rbac.authorization.k8s.io").documents
            if one.key.name == made["metadata"]["name"]
        )
        api.book.put(document.key, document.value)
    api.acting_as(Caller("jane", ("system:authenticated",)))
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    status = await api.must_refuse(
        403, "POST", f"{rbac}/namespaces/default/roles", {"metadata": {"name": "x"}, "rules": rules}
    )
    assert "attempting to grant RBAC permissions not currently held" in status["message"]


async def test_a_node_writes_about_itself_alone(api, account):
    await api.must_do("POST", PODS, pod(nodeName="other"))
    node = Caller("system:node:me", ("system:nodes", "system:masters"))
    api.acting_as(node)
    await api.must_do("POST", "/api/v1/nodes", {"metadata": {"name": "me"}})
    status = await api.must_refuse(403, "POST", "/api/v1/nodes", {"metadata": {"name": "you"}})
    assert 'node "me" is not allowed to modify node "you"' in status["message"]
    media = "application/merge-patch+json"
    await api.must_refuse(403, "PATCH", f"{PODS}/p/status", {"status": {"phase": "Failed"}}, media=media)
    await api.must_refuse(403, "DELETE", f"{PODS}/p")


async def test_who_asks_for_a_certificate_is_written_down_by_the_server(api):
    api.acting_as(Caller("jane", ("system:masters", "g"), uid="7"))
    import base64

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "jane")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {
        "request": pem,
        "signerName": "kubernetes.io/kube-apiserver-client",
        "usages": ["client auth"],
        "username": "root",
    }
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    made = await api.must_do("POST", path, {"metadata": {"name": "c"}, "spec": spec})
    assert (made["spec"]["username"], made["spec"]["groups"], made["spec"]["uid"]) == (
        "jane",
        ["system:masters", "g"],
        "7",
    )
    condition = {"type": "Approved", "status": "True", "reason": "ok", "message": "ok"}
    approved = {**made, "status": {"conditions": [condition]}, "spec": {**made["spec"], "username": "x"}}
    after = await api.must_do("PUT", f"{path}/c/approval", approved)
    assert after["status"]["conditions"][0]["type"] == "Approved" and after["spec"]["username"] == "jane"


async def test_a_restricted_namespace_refuses_what_a_pod_may_not_do(api):
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "baseline"}
    await api.must_do("POST", "/api/v1/namespaces", {"metadata": {"name": "safe", "labels": labels}})
    await api.must_do("POST", "/api/v1/namespaces/safe/serviceaccounts", {"metadata": {"name": "default"}})
    status = await api.must_refuse(403, "POST", "/api/v1/namespaces/safe/pods", pod())
    assert status["message"] == (
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": '
        'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), '
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    )
    context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    good = pod(
        containers=[{"name": "c", "image": "i", "securityContext": context}],
        securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    )
    await api.must_do("POST", "/api/v1/namespaces/safe/pods", good)
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {**pod()["spec"], "hostNetwork": True}}
    value = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    answer = await api.answer("POST", "/apis/apps/v1/namespaces/safe/deployments", value)
    assert answer.status == 201 and "host namespaces (hostNetwork=true)" in answer.headers["Warning"]
