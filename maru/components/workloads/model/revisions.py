"""ControllerRevisions: the history of templates of StatefulSets and DaemonSets.

Source: k8s.io/kubernetes/pkg/controller/history, controller_history.go; statefulset getPatch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from maru.components.workloads.model.hashing import template_hash
from maru.components.workloads.model.values import age_key, clone, owner_reference
from maru.core.document import Resource, Value
from maru.kinds.resources import CONTROLLERREVISIONS

HASH_LABEL = "controller.kubernetes.io/hash"
POD_HASH_LABEL = "controller-revision-hash"


@dataclass(frozen=True, slots=True)
class RevisionPlan:
    """latest: the revision of the present template. create: it is new; renumber: it moves to the end."""

    latest: Value
    create: bool = False
    renumber: int | None = None


def revision_data(owner: Value) -> Value:
    """What a revision keeps: a patch that puts the template back."""
    return {"spec": {"template": {**clone(owner["spec"]["template"]), "$patch": "replace"}}}


def in_order(revisions: Sequence[Value]) -> list[Value]:
    """From the first to the last."""
    return sorted(revisions, key=lambda each: (int(each.get("revision") or 0), age_key(each)))


def new_revision(owner: Value, resource: Resource, number: int, collisions: int) -> Value:
    """The revision of the present template, not yet stored."""
    content = revision_data(owner)
    digest = template_hash(content, collisions)
    metadata = owner["metadata"]
    labels = dict((owner["spec"]["template"].get("metadata") or {}).get("labels") or {})
    labels[HASH_LABEL] = digest
    if resource.kind == "DaemonSet":
        del labels[HASH_LABEL]
        labels[POD_HASH_LABEL] = digest
    made: Value = {
        "apiVersion": CONTROLLERREVISIONS.api_version,
        "kind": CONTROLLERREVISIONS.kind,
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [owner_reference(resource, owner)],
        },
        "data": content,
        "revision": number,
    }
    if metadata.get("annotations"):
        kept = {key: text for key, text in metadata["annotations"].items() if not key.startswith("kubectl.")}
        if kept:
            made["metadata"]["annotations"] = kept
    return made


def plan(owner: Value, resource: Resource, revisions: Sequence[Value]) -> RevisionPlan:
    """Which revision the present template is: the last, an older one to bring back, or a new one."""
    ordered = in_order(revisions)
    content = revision_data(owner)
    equal = [each for each in ordered if each.get("data") == content]
    number = (int(ordered[-1].get("revision") or 0) if ordered else 0) + 1
    if not equal:
        collisions = int(owner.get("status", {}).get("collisionCount") or 0)
        return RevisionPlan(new_revision(owner, resource, number, collisions), create=True)
    if equal[-1] is ordered[-1]:
        return RevisionPlan(equal[-1])
    return RevisionPlan(equal[-1], renumber=number)


def to_truncate(revisions: Sequence[Value], live: Collection[str], limit: int | None) -> list[Value]:
    """The oldest revisions beyond `limit`, of those whose name or hash is not in `live`."""
    idle = [each for each in in_order(revisions) if each["metadata"]["name"] not in live and hash_of(each) not in live]
    return idle[: max(0, len(idle) - (10 if limit is None else limit))]


def hash_of(revision: Value) -> str:
    """The hash that a revision's name ends in."""
    labels = revision["metadata"].get("labels") or {}
    return str(labels.get(HASH_LABEL) or labels.get(POD_HASH_LABEL) or "")


def with_template_of(owner: Value, revision: Value) -> Value:
    """A copy of `owner` that has the template of `revision`."""
    copy = clone(owner)
    template = clone(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    copy["spec"]["template"] = template
    return copy
