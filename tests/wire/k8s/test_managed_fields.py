"""Ownership as the real server records it, and server-side apply."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maru.wire.k8s.apply import apply
from maru.wire.k8s.errors import ApplyConflict, Malformed, PatchFailed
from maru.wire.k8s.fieldset import paths
from maru.wire.k8s.managed_fields import Writer, compare_documents, track_update
from maru.wire.k8s.patch import json_patch
from maru.wire.k8s.schema import Schema, TypeNode
from maru.wire.k8s.structural import from_structural_schema
from maru.wire.k8s.typed import merge

T0, T1, T2 = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"
STATUS = frozenset({"status"})


def writer(manager: str, time: str = T0, subresource: str = "", version: str = "apps/v1") -> Writer:
    return Writer(manager, version, subresource, time)


def deployment(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx:1"}]},
            },
            **spec,
        },
    }


def configmap(data: dict[str, str], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "default", **metadata},
        "data": data,
    }


@pytest.fixture
def deployments(schema: Schema) -> TypeNode:
    node = schema.type_of("apps", "v1", "Deployment")
    assert node is not None
    return node


@pytest.fixture
def configmaps(schema: Schema) -> TypeNode:
    node = schema.type_of("", "v1", "ConfigMap")
    assert node is not None
    return node


def entry(value: dict[str, Any], manager: str) -> dict[str, Any]:
    return next(one for one in value["metadata"]["managedFields"] if one["manager"] == manager)


def test_create_records_fields_as_the_real_server_does(deployments: TypeNode) -> None:
    new = deployment(replicas=1, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}})
    container = new["spec"]["template"]["spec"]["containers"][0]
    container |= {"resources": {}, "ports": [{"containerPort": 80, "protocol": "TCP"}]}
    new["status"] = {"replicas": 1}
    track_update(deployments, None, new, writer("kubectl-create"), STATUS)
    assert new["metadata"]["managedFields"] == [
        {
            "manager": "kubectl-create",
            "operation": "Update",
            "apiVersion": "apps/v1",
            "time": T0,
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {
                    "f:replicas": {},
                    "f:selector": {},
                    "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}}, "f:type": {}},
                    "f:template": {
                        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                        "f:spec": {
                            "f:containers": {
                                'k:{"name":"web"}': {
                                    ".": {},
                                    "f:image": {},
                                    "f:name": {},
                                    "f:ports": {
                                        ".": {},
                                        'k:{"containerPort":80,"protocol":"TCP"}': {
                                            ".": {},
                                            "f:containerPort": {},
                                            "f:protocol": {},
                                        },
                                    },
                                    "f:resources": {},
                                }
                            }
                        },
                    },
                },
            },
        }
    ]


def test_update_takes_changed_fields_and_leaves_the_rest(configmaps: TypeNode) -> None:
    old = configmap({"a": "1", "b": "2"})
    track_update(configmaps, None, old, writer("one"))
    new = copy.deepcopy(old)
    new["data"] = {"a": "9", "c": "3"}
    track_update(configmaps, old, new, writer("two", T1))
    assert entry(new, "one")["fieldsV1"] == {"f:data": {}}
    assert entry(new, "two")["fieldsV1"] == {"f:data": {"f:a": {}, "f:c": {}}}
    assert (entry(new, "one")["time"], entry(new, "two")["time"]) == (T0, T1)


def test_update_that_changes_nothing_leaves_the_time(configmaps: TypeNode) -> None:
    old = configmap({"a": "1"})
    track_update(configmaps, None, old, writer("one"))
    new = copy.deepcopy(old)
    new["metadata"].pop("managedFields")
    new["metadata"]["generation"] = 7
    track_update(configmaps, old, new, writer("two", T1))
    assert new["metadata"]["managedFields"] == old["metadata"]["managedFields"]


@pytest.mark.parametrize("reset", [[], [{}]])
def test_managed_fields_can_be_reset(configmaps: TypeNode, reset: list[Any]) -> None:
    old = configmap({"a": "1"})
    track_update(configmaps, None, old, writer("one"))
    new = copy.deepcopy(old)
    new["metadata"]["managedFields"] = reset
    track_update(configmaps, old, new, writer("two", T1))
    assert "managedFields" not in new["metadata"]


def test_status_writes_are_recorded_under_their_subresource(deployments: TypeNode) -> None:
    old = deployment()
    track_update(deployments, None, old, writer("kubectl"), STATUS)
    new = copy.deepcopy(old)
    new["status"] = {"readyReplicas": 1, "conditions": [{"type": "Available", "status": "True"}]}
    new["metadata"]["managedFields"] = []  # a subresource cannot reset them
    track_update(deployments, old, new, writer("controller", T1, "status"), frozenset({"spec"}))
    assert entry(new, "controller")["subresource"] == "status"
    assert entry(new, "controller")["fieldsV1"] == {
        "f:status": {
            "f:conditions": {".": {}, 'k:{"type":"Available"}': {".": {}, "f:status": {}, "f:type": {}}},
            "f:readyReplicas": {},
        }
    }
    assert entry(new, "kubectl") == entry(old, "kubectl")


def test_old_updaters_are_merged_beyond_the_cap(configmaps: TypeNode) -> None:
    value: dict[str, Any] = configmap({})
    for index in range(14):
        new = copy.deepcopy(value)
        new["data"][f"k{index:02}"] = "x"
        track_update(configmaps, value if index else None, new, writer(f"m{index:02}", f"2026-01-01T00:00:{index:02}Z"))
        value = new
    managers = [one["manager"] for one in value["metadata"]["managedFields"]]
    assert len(managers) == 10
    assert "ancient-changes" in managers
    assert {f"f:k{index:02}" for index in range(5)} <= entry(value, "ancient-changes")["fieldsV1"]["f:data"].keys()


def test_apply_creates_and_claims_what_it_says(deployments: TypeNode) -> None:
    value = apply(deployments, None, deployment(replicas=2), writer("me"), force=False)
    assert entry(value, "me") == {
        "manager": "me",
        "operation": "Apply",
        "apiVersion": "apps/v1",
        "time": T0,
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {
                "f:replicas": {},
                "f:selector": {},
                "f:template": {
                    "f:metadata": {"f:labels": {"f:app": {}}},
                    "f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}, "f:name": {}}}},
                },
            },
        },
    }


def test_apply_again_changes_nothing(deployments: TypeNode) -> None:
    first = apply(deployments, None, deployment(), writer("me"), force=False)
    assert apply(deployments, first, deployment(), writer("me", T1), force=False) is first


def test_apply_conflicts_name_field_and_owner(deployments: TypeNode) -> None:
    live = apply(deployments, None, deployment(replicas=1), writer("first"), force=False)
    scaled = copy.deepcopy(live)
    scaled["spec"]["replicas"] = 5
    track_update(deployments, live, scaled, writer("kubectl-scale", T1, "scale"))
    with pytest.raises(ApplyConflict) as caught:
        apply(deployments, scaled, deployment(replicas=2), writer("first", T2), force=False)
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-scale" with subresource "scale" using apps/v1 '
        f"at {T1}: .spec.replicas"
    )
    assert [one.field for one in caught.value.causes] == [".spec.replicas"]
    forced = apply(deployments, scaled, deployment(replicas=2), writer("first", T2), force=True)
    assert forced["spec"]["replicas"] == 2
    assert [one["manager"] for one in forced["metadata"]["managedFields"]] == ["first"]


def test_apply_conflicts_of_several_are_listed_by_owner(deployments: TypeNode) -> None:
    live = apply(deployments, None, deployment(replicas=1, paused=True), writer("a"), force=False)
    with pytest.raises(ApplyConflict) as caught:
        apply(deployments, live, deployment(replicas=2, paused=False), writer("b", T1), force=False)
    assert caught.value.message == (
        'Apply failed with 2 conflicts: conflicts with "a":\n- .spec.paused\n- .spec.replicas'
    )


def test_field_no_longer_applied_is_removed(configmaps: TypeNode) -> None:
    live = apply(configmaps, None, configmap({"a": "1", "b": "2"}), writer("me"), force=False)
    live = apply(configmaps, live, configmap({"a": "1"}), writer("me", T1), force=False)
    assert live["data"] == {"a": "1"}
    config = configmap({})
    del config["data"]
    assert "data" not in apply(configmaps, live, config, writer("me", T2), force=False)


def test_field_no_longer_applied_stays_while_another_owns_it(configmaps: TypeNode) -> None:
    live = apply(configmaps, None, configmap({"a": "1", "b": "2"}), writer("me"), force=False)
    live = apply(configmaps, live, configmap({"b": "2"}), writer("other", T1), force=False)
    live = apply(configmaps, live, configmap({"a": "1"}), writer("me", T2), force=False)
    assert live["data"] == {"a": "1", "b": "2"}
    assert entry(live, "other")["fieldsV1"] == {"f:data": {"f:b": {}}}


def test_list_items_are_removed_by_key_and_others_stay(deployments: TypeNode) -> None:
    config = deployment()
    containers = config["spec"]["template"]["spec"]["containers"]
    containers.append({"name": "side", "image": "s", "env": [{"name": "A", "value": "1"}]})
    live = apply(deployments, None, config, writer("me"), force=False)
    live["spec"]["template"]["spec"]["containers"].append({"name": "injected", "image": "i"})
    result = apply(deployments, live, deployment(), writer("me", T1), force=False)
    assert [one["name"] for one in result["spec"]["template"]["spec"]["containers"]] == ["web", "injected"]


def test_document_without_owners_is_owned_by_before_first_apply(configmaps: TypeNode) -> None:
    live = configmap({"a": "1"})
    with pytest.raises(ApplyConflict, match="before-first-apply"):
        apply(configmaps, live, configmap({"a": "2"}), writer("me", T1), force=False)
    same = apply(configmaps, live, configmap({"a": "1"}), writer("me", T1), force=False)
    assert entry(same, "before-first-apply")["fieldsV1"] == {"f:data": {".": {}, "f:a": {}}}


def test_kubectl_takes_over_its_own_client_side_apply(configmaps: TypeNode) -> None:
    annotation = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"1"}}'
    key = "kubectl.kubernetes.io/last-applied-configuration"
    live = configmap({"a": "1"}, annotations={key: annotation})
    track_update(configmaps, None, live, writer("kubectl-client-side-apply"))
    result = apply(configmaps, live, configmap({"a": "2"}), writer("kubectl", T1), force=False)
    assert result["data"] == {"a": "2"}
    assert '"a":"2"' in result["metadata"]["annotations"][key]


def test_kubectl_migration_by_json_patch_is_taken(configmaps: TypeNode) -> None:
    live = configmap({"a": "1"})
    track_update(configmaps, None, live, writer("kubectl-client-side-apply"))
    moved = copy.deepcopy(live["metadata"]["managedFields"])
    moved[0] |= {"manager": "kubectl", "operation": "Apply"}
    operations = [{"op": "replace", "path": "/metadata/managedFields", "value": moved}]
    new = json_patch(live, operations)
    track_update(configmaps, live, new, writer("kubectl-patch", T1))
    assert new["metadata"]["managedFields"] == moved


def test_broken_managed_fields_of_a_client_are_ignored(configmaps: TypeNode) -> None:
    live = configmap({"a": "1"})
    track_update(configmaps, None, live, writer("one"))
    new = copy.deepcopy(live)
    new["metadata"]["managedFields"] = [{"manager": "x", "operation": "Nonsense"}]
    track_update(configmaps, live, new, writer("two", T1))
    assert new["metadata"]["managedFields"] == live["metadata"]["managedFields"]


def test_apply_refuses_unknown_fields_and_managed_fields(deployments: TypeNode) -> None:
    with pytest.raises(PatchFailed, match=r"\.spec\.nonsense: field not declared in schema"):
        apply(deployments, None, deployment(nonsense=1), writer("me"), force=False)
    config = deployment()
    config["metadata"]["managedFields"] = [{"manager": "x"}]
    with pytest.raises(Malformed, match=r"metadata\.managedFields must be nil"):
        apply(deployments, None, config, writer("me"), force=False)


def test_apply_refuses_duplicate_list_keys(deployments: TypeNode) -> None:
    config = deployment()
    config["spec"]["template"]["spec"]["containers"] *= 2
    with pytest.raises(PatchFailed, match="duplicate entries for key"):
        apply(deployments, None, config, writer("me"), force=False)


def test_finalizers_of_two_appliers_are_a_set(configmaps: TypeNode) -> None:
    live = apply(configmaps, None, configmap({}, finalizers=["x/a"]), writer("a"), force=False)
    live = apply(configmaps, live, configmap({}, finalizers=["x/b"]), writer("b", T1), force=False)
    assert live["metadata"]["finalizers"] == ["x/a", "x/b"]
    live = apply(configmaps, live, configmap({}), writer("a", T2), force=False)
    assert live["metadata"]["finalizers"] == ["x/b"]


def test_status_is_left_alone_by_the_main_resource(deployments: TypeNode) -> None:
    config = deployment() | {"status": {"replicas": 9}}
    value = apply(deployments, None, config, writer("me"), force=False, ignored=STATUS)
    assert "status" not in value
    assert "f:status" not in entry(value, "me")["fieldsV1"]


def test_custom_resources_are_tracked_by_their_structural_schema(schema: Schema) -> None:
    node = from_structural_schema(
        {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {
                        "rules": {
                            "type": "array",
                            "x-kubernetes-list-type": "map",
                            "x-kubernetes-list-map-keys": ["id"],
                            "items": {
                                "type": "object",
                                "properties": {"id": {"type": "integer"}, "to": {"type": "string"}},
                            },
                        },
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        "plain": {"type": "array", "items": {"type": "string"}},
                    },
                }
            },
        },
        schema,
    )
    new: dict[str, Any] = {
        "apiVersion": "x.io/v1",
        "kind": "X",
        "metadata": {"name": "x"},
        "spec": {"rules": [{"id": 1, "to": "a"}], "free": {"deep": {"er": [1]}}, "plain": ["a"]},
    }
    config = copy.deepcopy(new)
    track_update(node, None, new, writer("w", version="x.io/v1"))
    assert entry(new, "w")["fieldsV1"] == {
        "f:spec": {
            ".": {},
            "f:free": {".": {}, "f:deep": {".": {}, "f:er": {}}},
            "f:plain": {},
            "f:rules": {".": {}, 'k:{"id":1}': {".": {}, "f:id": {}, "f:to": {}}},
        }
    }
    applied = apply(node, None, config, writer("a", version="x.io/v1"), force=False)
    assert apply(node, applied, config, writer("a", T1, version="x.io/v1"), force=False) is applied


_names = st.sampled_from(["a", "b", "c", "d"])
_configs = st.fixed_dictionaries(
    {},
    optional={
        "data": st.dictionaries(_names, st.sampled_from(["1", "2"]), max_size=4),
        "labels": st.dictionaries(_names, st.sampled_from(["x", "y"]), max_size=3),
        "finalizers": st.lists(_names, unique=True, min_size=1, max_size=3),
    },
)


def _config(parts: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: parts[key] for key in ("labels", "finalizers") if key in parts}
    value = configmap(parts.get("data", {}), **metadata)
    if "data" not in parts:
        del value["data"]
    return value


@settings(max_examples=150, deadline=None)
@given(configs=st.lists(st.tuples(st.sampled_from(["me", "you"]), _configs), min_size=1, max_size=6))
def test_apply_is_idempotent_and_holds_what_it_says(schema: Schema, configs: list[tuple[str, dict[str, Any]]]) -> None:
    node = schema.type_of("", "v1", "ConfigMap")
    assert node is not None
    live: dict[str, Any] | None = None
    for manager, parts in configs:
        config = _config(parts)
        before = copy.deepcopy((live, config))
        result = apply(node, live, config, writer(manager), force=True)
        assert (live, config) == before
        assert config.get("data", {}).items() <= result.get("data", {}).items()
        assert set(parts.get("finalizers", ())) <= set(result["metadata"].get("finalizers", ()))
        assert apply(node, result, config, writer(manager, T1), force=False) == result
        live = result


@settings(max_examples=100, deadline=None)
@given(first=_configs, second=_configs)
def test_sole_applier_ends_at_its_last_configuration(
    schema: Schema, first: dict[str, Any], second: dict[str, Any]
) -> None:
    node = schema.type_of("", "v1", "ConfigMap")
    assert node is not None
    live = apply(node, None, _config(first), writer("me"), force=False)
    live = apply(node, live, _config(second), writer("me", T1), force=False)
    assert live.get("data", {}) == second.get("data", {})
    assert live["metadata"].get("labels", {}) == second.get("labels", {})
    assert set(live["metadata"].get("finalizers", ())) == set(second.get("finalizers", ()))


@given(live=st.permutations("abcde"), config=st.permutations("cdefg"), kept=st.integers(0, 5), said=st.integers(0, 5))
def test_merged_lists_keep_both_orders(
    schema: Schema, live: list[str], config: list[str], kept: int, said: int
) -> None:
    node = schema.type_of("", "v1", "ConfigMap")
    assert node is not None
    finalizers = node.fields["metadata"].fields["finalizers"]
    live, config = live[:kept], config[:said]
    merged = merge(finalizers, live, config)
    assert [one for one in merged if one in config] == config
    assert [one for one in merged if one not in config] == [one for one in live if one not in config]


@given(before=_configs, after=_configs)
def test_comparison_knows_what_was_added_and_removed(schema: Schema, before: Any, after: Any) -> None:
    node = schema.type_of("", "v1", "ConfigMap")
    assert node is not None
    old, new = _config(before), _config(after)
    there, back = compare_documents(node, old, new), compare_documents(node, new, old)
    for value in (old, new):  # a set: order is no difference
        value["metadata"].get("finalizers", []).sort()
    assert there.is_empty() == (old == new)
    added = set(paths(there.changed)) - set(paths(back.changed))
    assert added == set(paths(back.removed)) - set(paths(back.changed))
