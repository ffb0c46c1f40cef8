"""Create, update and patch as clients see them."""

import asyncio

import pytest

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def config(name="a", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name="web", replicas=1):
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


async def test_create_answers_201_with_what_the_server_sets(api):
    status, made = await api.ask("POST", CONFIGMAPS, config(x="1"))
    assert status == 201
    assert made["metadata"]["uid"] and made["metadata"]["creationTimestamp"] and made["metadata"]["resourceVersion"]
    assert made["metadata"]["managedFields"][0]["manager"] == "test"


async def test_a_name_that_is_taken_already_exists(api):
    await api.must_do("POST", CONFIGMAPS, config())
    status = await api.must_refuse(409, "POST", CONFIGMAPS, config())
    assert status["reason"] == "AlreadyExists"
    assert status["message"] == 'configmaps "a" already exists'
    assert status["details"] == {"name": "a", "kind": "configmaps"}


async def test_generated_names_have_five_more_characters(api):
    value = config()
    value["metadata"] = {"generateName": "x-"}
    made = await api.must_do("POST", CONFIGMAPS, value)
    assert made["metadata"]["name"].startswith("x-") and len(made["metadata"]["name"]) == 7


async def test_a_bad_name_is_invalid_with_its_cause(api):
    status = await api.must_refuse(422, "POST", CONFIGMAPS, config("A_b"))
    assert status["reason"] == "Invalid"
    assert status["message"].startswith('ConfigMap "A_b" is invalid: metadata.name: Invalid value: "A_b": a lowercase')
    assert status["details"]["causes"][0]["field"] == "metadata.name"
    assert status["details"]["causes"][0]["reason"] == "FieldValueInvalid"


async def test_a_namespace_that_is_not_there_is_not_found(api):
    status = await api.must_refuse(404, "POST", "/api/v1/namespaces/nowhere/configmaps", config())
    assert status["message"] == 'namespaces "nowhere" not found'


async def test_the_namespace_of_the_body_must_be_that_of_the_path(api):
    value = config()
    value["metadata"]["namespace"] = "other"
    status = await api.must_refuse(400, "POST", CONFIGMAPS, value)
    assert status["message"] == "the namespace of the provided object does not match the namespace sent on the request"


async def test_another_kind_is_refused(api):
    await api.must_refuse(400, "POST", CONFIGMAPS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})
    await api.must_refuse(400, "POST", CONFIGMAPS, {"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "a"}})


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'"x"', b"\xff"])
async def test_what_cannot_be_read_is_a_bad_request(api, body):
    await api.must_refuse(400, "POST", CONFIGMAPS, body)


async def test_a_wrong_type_is_named(api):
    value = deployment()
    value["spec"]["replicas"] = "three"
    status = await api.must_refuse(400, "POST", DEPLOYMENTS, value)
    assert 'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal' in status["message"]


async def test_an_unknown_media_type_is_unsupported(api):
    await api.must_refuse(415, "POST", CONFIGMAPS, b"x", media="text/html")
    await api.must_refuse(415, "PATCH", f"{CONFIGMAPS}/a", b"{}", media="application/json")


async def test_unknown_fields_warn_fail_or_pass_as_asked(api):
    value = {**config(), "nonsense": 1}
    answer = await api.answer("POST", f"{CONFIGMAPS}?fieldValidation=Warn", value)
    assert answer.status == 201 and answer.headers["Warning"] == '299 - "unknown field \\"nonsense\\""'
    value["metadata"] = {"name": "b"}
    status = await api.must_refuse(400, "POST", f"{CONFIGMAPS}?fieldValidation=Strict", value)
    assert 'strict decoding error: unknown field "nonsense"' in status["message"]
    answer = await api.answer("POST", f"{CONFIGMAPS}?fieldValidation=Ignore", value)
    assert answer.status == 201 and "Warning" not in answer.headers
    await api.must_refuse(422, "POST", f"{CONFIGMAPS}?fieldValidation=Maybe", value)


async def test_a_dry_run_changes_nothing(api):
    version = api.store.version
    made = await api.must_do("POST", f"{CONFIGMAPS}?dryRun=All", config())
    assert made["metadata"]["uid"]
    assert api.store.version == version
    await api.must_refuse(404, "GET", f"{CONFIGMAPS}/a")
    await api.must_do("POST", CONFIGMAPS, config())
    shown = await api.must_do(
        "PATCH", f"{CONFIGMAPS}/a?dryRun=All", {"data": {"k": "v"}}, media="application/merge-patch+json"
    )
    assert shown["data"] == {"k": "v"}
    await api.must_do("DELETE", f"{CONFIGMAPS}/a?dryRun=All")
    assert (
        "data" not in (await api.must_do("GET", f"{CONFIGMAPS}/a"))
        or (await api.must_do("GET", f"{CONFIGMAPS}/a"))["data"] == {}
    )


async def test_an_update_with_an_old_version_conflicts_in_the_words_clients_know(api):
    made = await api.must_do("POST", CONFIGMAPS, config(x="1"))
    await api.must_do("PUT", f"{CONFIGMAPS}/a", {**made, "data": {"x": "2"}})
    status = await api.must_refuse(409, "PUT", f"{CONFIGMAPS}/a", {**made, "data": {"x": "3"}})
    assert status["reason"] == "Conflict"
    assert status["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


async def test_an_update_without_a_version_goes_through(api):
    await api.must_do("POST", CONFIGMAPS, config(x="1"))
    assert (await api.must_do("PUT", f"{CONFIGMAPS}/a", config(x="2")))["data"] == {"x": "2"}


async def test_what_the_server_set_cannot_be_changed(api):
    made = await api.must_do("POST", CONFIGMAPS, config(x="1"))
    changed = {
        **made,
        "metadata": {**made["metadata"], "creationTimestamp": "2001-01-01T00:00:00Z"},
        "data": {"x": "2"},
    }
    after = await api.must_do("PUT", f"{CONFIGMAPS}/a", changed)
    assert after["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    after["metadata"]["uid"] = "another"
    await api.must_refuse(409, "PUT", f"{CONFIGMAPS}/a", after)


async def test_a_write_that_changes_nothing_gets_no_revision(api):
    made = await api.must_do("POST", CONFIGMAPS, config(x="1"))
    assert await api.must_do("PUT", f"{CONFIGMAPS}/a", made) == made
    same = await api.must_do("PATCH", f"{CONFIGMAPS}/a", {"data": {"x": "1"}}, media="application/merge-patch+json")
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_generation_counts_changes_of_the_spec_alone(api):
    made = await api.must_do("POST", DEPLOYMENTS, deployment())
    assert made["metadata"]["generation"] == 1 and made["spec"]["strategy"]["type"] == "RollingUpdate"
    media = "application/strategic-merge-patch+json"
    labelled = await api.must_do("PATCH", f"{DEPLOYMENTS}/web", {"metadata": {"labels": {"a": "b"}}}, media=media)
    assert labelled["metadata"]["generation"] == 1
    scaled = await api.must_do("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}}, media=media)
    assert scaled["metadata"]["generation"] == 2


async def test_status_and_spec_are_written_apart(api):
    await api.must_do("POST", DEPLOYMENTS, deployment())
    media = "application/merge-patch+json"
    change = {"spec": {"replicas": 7}, "status": {"replicas": 5, "observedGeneration": 1}}
    by_status = await api.must_do("PATCH", f"{DEPLOYMENTS}/web/status", change, media=media)
    assert by_status["spec"]["replicas"] == 1 and by_status["status"]["replicas"] == 5
    by_main = await api.must_do(
        "PATCH", f"{DEPLOYMENTS}/web", {"spec": {"replicas": 2}, "status": {"replicas": 9}}, media=media
    )
    assert by_main["spec"]["replicas"] == 2 and by_main["status"]["replicas"] == 5


async def test_strategic_patches_merge_lists_by_their_keys(api):
    await api.must_do("POST", DEPLOYMENTS, deployment())
    patch = {
        "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "other"}, {"name": "d", "image": "e"}]}}}
    }
    after = await api.must_do("PATCH", f"{DEPLOYMENTS}/web", patch, media="application/strategic-merge-patch+json")
    assert [(one["name"], one["image"]) for one in after["spec"]["template"]["spec"]["containers"]] == [
        ("c", "other"),
        ("d", "e"),
    ]


async def test_json_patches_test_and_fail_as_a_whole(api):
    await api.must_do("POST", CONFIGMAPS, config(x="1"))
    media = "application/json-patch+json"
    good = [{"op": "test", "path": "/data/x", "value": "1"}, {"op": "replace", "path": "/data/x", "value": "2"}]
    assert (await api.must_do("PATCH", f"{CONFIGMAPS}/a", good, media=media))["data"] == {"x": "2"}
    status, _ = await api.ask("PATCH", f"{CONFIGMAPS}/a", good, media=media)
    assert status == 422


async def test_applied_fields_belong_to_their_manager(api):
    media = "application/apply-patch+yaml"
    url = f"{CONFIGMAPS}/a?fieldManager="
    status, made = await api.ask("PATCH", f"{url}one", config(x="1"), media=media)
    assert status == 201 and made["metadata"]["managedFields"][0]["operation"] == "Apply"
    refused = await api.must_refuse(409, "PATCH", f"{url}two", config(x="2"), media=media)
    assert refused["details"]["causes"][0]["reason"] == "FieldManagerConflict"
    taken = await api.must_do("PATCH", f"{url}two&force=true", config(x="2"), media=media)
    assert taken["data"] == {"x": "2"}
    gone = await api.must_do("PATCH", f"{url}two", {**config(), "data": {}}, media=media)
    assert not gone.get("data")
    await api.must_refuse(400, "PATCH", f"{CONFIGMAPS}/a", config(), media=media)


async def test_applying_twice_writes_once(api):
    media = "application/apply-patch+yaml"
    first = await api.must_do("PATCH", f"{DEPLOYMENTS}/web?fieldManager=m", deployment(), media=media)
    again = await api.must_do("PATCH", f"{DEPLOYMENTS}/web?fieldManager=m", deployment(), media=media)
    assert again == first


async def test_patches_of_one_document_side_by_side_all_count(api):
    await api.must_do("POST", CONFIGMAPS, config())
    media = "application/merge-patch+json"
    patches = [api.must_do("PATCH", f"{CONFIGMAPS}/a", {"data": {f"k{i}": "v"}}, media=media) for i in range(50)]
    await asyncio.gather(*patches)
    assert len((await api.must_do("GET", f"{CONFIGMAPS}/a"))["data"]) == 50


async def test_some_kinds_are_created_by_an_update(api):
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": []}
    path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/r"
    status, _ = await api.ask("PUT", path, role)
    assert status == 201
    await api.must_refuse(404, "PUT", f"{CONFIGMAPS}/a", config())


async def test_a_lease_needs_its_version(api):
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}}
    await api.must_do("POST", path, lease)
    status = await api.must_refuse(422, "PUT", f"{path}/l", lease)
    assert status["details"]["causes"][0]["field"] == "metadata.resourceVersion"


REPLICA_SETS = "/apis/apps/v1/namespaces/default/replicasets"


async def test_a_new_status_has_the_numbers_that_typed_clients_require(api):
    made = await api.must_do("POST", DEPLOYMENTS, deployment())
    assert made["status"] == {}
    made = await api.must_do("POST", REPLICA_SETS, deployment() | {"kind": "ReplicaSet"})
    assert made["status"] == {"replicas": 0}


async def test_the_keys_of_a_status_come_in_the_order_of_the_real_server(api):
    await api.must_do("POST", DEPLOYMENTS, deployment())
    status = await api.must_refuse(409, "POST", DEPLOYMENTS, deployment())
    assert list(status) == ["kind", "apiVersion", "metadata", "status", "message", "reason", "details", "code"]
    assert list(status["details"]) == ["name", "group", "kind"]
