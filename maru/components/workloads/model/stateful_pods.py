"""The Pods of a StatefulSet and their claims: names, identity, storage.

Source: k8s.io/kubernetes/pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

from maru.components.workloads.model.pods import pod_from_template
from maru.components.workloads.model.revisions import POD_HASH_LABEL, with_template_of
from maru.components.workloads.model.values import clone, owner_reference, uid_of
from maru.core.document import Value
from maru.kinds.resources import PODS, STATEFULSETS

NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"


def ordinal_of(pod: Value) -> int:
    """The number its name ends in, or -1."""
    _, _, tail = pod["metadata"]["name"].rpartition("-")
    return int(tail) if tail.isdigit() else -1


def is_member(stateful_set: Value, pod: Value) -> bool:
    """True when the Pod's name is one of this set's."""
    return bool(pod["metadata"]["name"] == f"{stateful_set['metadata']['name']}-{ordinal_of(pod)}")


def start_of(stateful_set: Value) -> int:
    """The first ordinal."""
    return int((stateful_set["spec"].get("ordinals") or {}).get("start") or 0)


def new_pod(stateful_set: Value, revision: Value, ordinal: int) -> Value:
    """The Pod of `ordinal`, with the template of `revision`."""
    owner = with_template_of(stateful_set, revision)
    name = f"{stateful_set['metadata']['name']}-{ordinal}"
    pod = pod_from_template(owner["spec"]["template"], owner, STATEFULSETS, name=name)
    pod["metadata"]["generateName"] = f"{stateful_set['metadata']['name']}-"
    labels = pod["metadata"].setdefault("labels", {})
    labels.update({NAME_LABEL: name, INDEX_LABEL: str(ordinal), POD_HASH_LABEL: revision["metadata"]["name"]})
    spec = pod["spec"]
    spec["hostname"] = name
    if stateful_set["spec"].get("serviceName"):
        spec["subdomain"] = stateful_set["spec"]["serviceName"]
    claimed = {each["metadata"]["name"]: each for each in stateful_set["spec"].get("volumeClaimTemplates") or ()}
    kept = [volume for volume in spec.get("volumes") or () if volume["name"] not in claimed]
    volumes = [
        {"name": each, "persistentVolumeClaim": {"claimName": claim_name(stateful_set, each, ordinal)}}
        for each in claimed
    ]
    if volumes or kept:
        spec["volumes"] = [*kept, *volumes]
    return pod


def claim_name(stateful_set: Value, template: str, ordinal: int) -> str:
    """The claim of one template for one ordinal."""
    return f"{template}-{stateful_set['metadata']['name']}-{ordinal}"


def claims(stateful_set: Value, ordinal: int) -> list[Value]:
    """The claims that the Pod of `ordinal` needs."""
    made = []
    for template in stateful_set["spec"].get("volumeClaimTemplates") or ():
        claim = clone(template)
        claim.pop("status", None)
        labels = dict(claim["metadata"].get("labels") or {})
        labels.update((stateful_set["spec"].get("selector") or {}).get("matchLabels") or {})
        claim |= {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
        claim["metadata"] |= {
            "name": claim_name(stateful_set, template["metadata"]["name"], ordinal),
            "namespace": stateful_set["metadata"]["namespace"],
            "labels": labels,
        }
        owners = claim_owners(stateful_set, None, is_condemned=False)
        if owners:
            claim["metadata"]["ownerReferences"] = owners
        made.append(claim)
    return made


def claim_owners(stateful_set: Value, pod: Value | None, *, is_condemned: bool) -> list[Value]:
    """Who takes the claim along when it goes: the set, the Pod being scaled away, or nobody.

    Source: KEP-1847, persistentVolumeClaimRetentionPolicy.
    """
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    owners = []
    if policy.get("whenScaled") == "Delete" and is_condemned and pod is not None:
        owners.append(_plain(owner_reference(PODS, pod)))
    elif policy.get("whenDeleted") == "Delete":
        owners.append(owner_reference(STATEFULSETS, stateful_set) | {"blockOwnerDeletion": True})
    return owners


def _plain(reference: Value) -> Value:
    return {key: value for key, value in reference.items() if key not in ("controller", "blockOwnerDeletion")}


def merged_owners(stateful_set: Value, claim: Value, wanted: list[Value]) -> list[Value] | None:
    """The owners the claim should have, others' kept; None when it has them."""
    have = list(claim["metadata"].get("ownerReferences") or ())
    foreign = [each for each in have if each.get("kind") != "Pod" and each["uid"] != uid_of(stateful_set)]
    want = foreign + wanted
    return None if {each["uid"] for each in want} == {each["uid"] for each in have} else want
