"""Deletion: now, later, with finalizers, of collections, of Pods and of namespaces."""

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"


def pod(name="p", **spec):
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


async def test_a_deleted_document_is_gone_and_answers_a_status(api):
    made = await api.must_do("POST", CONFIGMAPS, {"metadata": {"name": "a"}})
    status = await api.must_do("DELETE", f"{CONFIGMAPS}/a")
    assert status["status"] == "Success"
    assert status["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    await api.must_refuse(404, "DELETE", f"{CONFIGMAPS}/a")


async def test_finalizers_hold_a_document_until_the_last_is_gone(api):
    await api.must_do("POST", CONFIGMAPS, {"metadata": {"name": "a", "finalizers": ["example.com/x"]}})
    marked = await api.must_do("DELETE", f"{CONFIGMAPS}/a")
    assert marked["metadata"]["deletionTimestamp"] and marked["metadata"]["deletionGracePeriodSeconds"] == 0
    again = await api.must_do("DELETE", f"{CONFIGMAPS}/a")
    assert again["metadata"]["resourceVersion"] == marked["metadata"]["resourceVersion"]
    added = await api.must_refuse(
        422, "PATCH", f"{CONFIGMAPS}/a", {"metadata": {"finalizers": ["example.com/x", "example.com/y"]}}, media=MERGE
    )
    assert "no new finalizers can be added if the object is being deleted" in added["message"]
    version = api.store.version
    await api.must_do("PATCH", f"{CONFIGMAPS}/a", {"metadata": {"finalizers": None}}, media=MERGE)
    await api.must_refuse(404, "GET", f"{CONFIGMAPS}/a")
    events = await api.events(f"{CONFIGMAPS}?watch=1&resourceVersion={version}", 1)
    assert events[0]["type"] == "DELETED"


async def test_propagation_is_left_to_the_collector_as_finalizers(api):
    for policy, finalizer in (("Foreground", "foregroundDeletion"), ("Orphan", "orphan")):
        await api.must_do("POST", CONFIGMAPS, {"metadata": {"name": "a"}})
        marked = await api.must_do("DELETE", f"{CONFIGMAPS}/a", {"kind": "DeleteOptions", "propagationPolicy": policy})
        assert marked["metadata"]["finalizers"] == [finalizer]
        await api.must_do("PATCH", f"{CONFIGMAPS}/a", {"metadata": {"finalizers": None}}, media=MERGE)
    await api.must_do("POST", CONFIGMAPS, {"metadata": {"name": "a"}})
    await api.must_do("DELETE", f"{CONFIGMAPS}/a?propagationPolicy=Background")
    await api.must_refuse(404, "GET", f"{CONFIGMAPS}/a")
    await api.must_refuse(422, "DELETE", f"{CONFIGMAPS}/a?propagationPolicy=Sideways")


async def test_preconditions_guard_a_delete(api):
    made = await api.must_do("POST", CONFIGMAPS, {"metadata": {"name": "a"}})
    status = await api.must_refuse(409, "DELETE", f"{CONFIGMAPS}/a", {"preconditions": {"uid": "x"}})
    assert "the UID in the precondition (x) does not match" in status["message"]
    await api.must_refuse(409, "DELETE", f"{CONFIGMAPS}/a", {"preconditions": {"resourceVersion": "1"}})
    right = {"uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"]}
    await api.must_do("DELETE", f"{CONFIGMAPS}/a", {"preconditions": right})


async def test_a_collection_is_deleted_by_selector(api):
    for name in "abc":
        await api.must_do("POST", CONFIGMAPS, {"metadata": {"name": name, "labels": {"n": name}}})
    gone = await api.must_do("DELETE", f"{CONFIGMAPS}?labelSelector=n+in+(a,b)")
    assert gone["kind"] == "ConfigMapList" and len(gone["items"]) == 2
    assert [one["metadata"]["name"] for one in (await api.must_do("GET", CONFIGMAPS))["items"]] == ["c"]


async def test_a_pod_on_a_node_is_given_its_grace_and_one_without_is_gone(api, account):
    await api.must_do("POST", PODS, pod("waiting"))
    await api.must_do("DELETE", f"{PODS}/waiting")
    await api.must_refuse(404, "GET", f"{PODS}/waiting")
    await api.must_do("POST", PODS, pod("bound", nodeName="node-1", terminationGracePeriodSeconds=20))
    marked = await api.must_do("DELETE", f"{PODS}/bound")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 20 and marked["metadata"]["deletionTimestamp"]
    longer = await api.must_do("DELETE", f"{PODS}/bound", {"gracePeriodSeconds": 30})
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 20
    shorter = await api.must_do("DELETE", f"{PODS}/bound", {"gracePeriodSeconds": 5})
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 5
    assert shorter["metadata"]["deletionTimestamp"] < marked["metadata"]["deletionTimestamp"]
    last = await api.must_do("DELETE", f"{PODS}/bound", {"gracePeriodSeconds": 0})
    assert last["kind"] == "Pod"
    await api.must_refuse(404, "GET", f"{PODS}/bound")


async def test_a_namespace_terminates_until_it_is_finalized(api):
    await api.must_do("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
    marked = await api.must_do("DELETE", "/api/v1/namespaces/n")
    assert marked["status"]["phase"] == "Terminating" and marked["spec"]["finalizers"] == ["kubernetes"]
    refused = await api.must_refuse(403, "POST", "/api/v1/namespaces/n/configmaps", {"metadata": {"name": "a"}})
    assert "because it is being terminated" in refused["message"]
    assert refused["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    current = await api.must_do("GET", "/api/v1/namespaces/n")
    await api.must_do("PUT", "/api/v1/namespaces/n/finalize", {**current, "spec": {"finalizers": []}})
    await api.must_refuse(404, "GET", "/api/v1/namespaces/n")


async def test_the_systems_namespaces_cannot_be_deleted(api):
    status = await api.must_refuse(403, "DELETE", "/api/v1/namespaces/kube-system")
    assert status["message"] == 'namespaces "kube-system" is forbidden: this namespace may not be deleted'
