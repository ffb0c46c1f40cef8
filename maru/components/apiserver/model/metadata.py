"""Object metadata: what the server sets, what a client may, and what may not change.

Pure. Source: k8s.io/apiserver/pkg/registry/rest (create.go, update.go, meta.go) and
k8s.io/apimachinery/pkg/api/validation/objectmeta.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Resource, Value
from maru.kinds.names import is_name
from maru.kinds.rules import text
from maru.kinds.strategy import Cause

GENERATED_NAME_MAX = 63 - 5  # what is left for a prefix before the suffix of five
ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
_SET_BY_SERVER = ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "uid", "resourceVersion", "generation")
_CARRIED = ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "uid")
_IMMUTABLE = ("name", "namespace", "uid", "creationTimestamp")
_CONTROLLERS_MAX = 1


def begin(metadata: Value, uid: str, now: str) -> None:
    """Metadata of a new document: what the client may not choose is dropped or set."""
    for name in _SET_BY_SERVER:
        metadata.pop(name, None)
    metadata["uid"] = uid
    metadata["creationTimestamp"] = now


def carry_over(metadata: Value, old: Value) -> None:
    """Metadata of an update: what a client cannot change stays, whatever it sent."""
    for name in _CARRIED:
        if name in old:
            metadata[name] = old[name]
        else:
            metadata.pop(name, None)
    metadata.pop("selfLink", None)
    for name in ("name", "namespace"):
        if not metadata.get(name) and name in old:
            metadata[name] = old[name]


def check(metadata: Value, resource: Resource) -> Sequence[Cause]:
    """The rules for any document's metadata."""
    causes = _check_name(metadata, resource)
    causes += text.check_labels(metadata.get("labels"), "metadata.labels")
    causes += text.check_annotations(metadata.get("annotations"), "metadata.annotations")
    causes += _check_owners(metadata.get("ownerReferences"))
    causes += _check_finalizers(metadata.get("finalizers"))
    return causes


def check_update(metadata: Value, old: Value) -> Sequence[Cause]:
    """What may not change, after `carry_over`."""
    causes = [
        text.invalid(f"metadata.{name}", metadata.get(name), "field is immutable")
        for name in _IMMUTABLE
        if metadata.get(name) != old.get(name)
    ]
    if old.get("deletionTimestamp"):
        known = set(old.get("finalizers") or ())
        added = [name for name in metadata.get("finalizers") or () if name not in known]
        if added:
            listing = ", ".join(f'"{name}"' for name in added)
            why = f"found new finalizers []string{{{listing}}}"
            causes.append(
                text.forbidden(
                    "metadata.finalizers", f"no new finalizers can be added if the object is being deleted, {why}"
                )
            )
    return causes


def _check_name(metadata: Value, resource: Resource) -> list[Cause]:
    name = metadata.get("name") or ""
    prefix = metadata.get("generateName") or ""
    causes: list[Cause] = []
    if prefix:
        problems = is_name(resource.storage, prefix, is_prefix=True)
        causes += [text.invalid("metadata.generateName", prefix, why) for why in problems]
    if not name:
        causes.append(text.required("metadata.name", "name or generateName is required"))
    else:
        causes += [text.invalid("metadata.name", name, why) for why in is_name(resource.storage, name)]
    if resource.namespaced:
        namespace = metadata.get("namespace") or ""
        if not namespace:
            causes.append(text.required("metadata.namespace"))
        else:
            causes += text.check(text.is_dns_label, "metadata.namespace", namespace)
    elif metadata.get("namespace"):
        causes.append(text.forbidden("metadata.namespace", "not allowed on this type"))
    return causes


def _check_owners(owners: Sequence[Value] | None) -> list[Cause]:
    causes: list[Cause] = []
    controllers: list[str] = []
    for index, owner in enumerate(owners or ()):
        field = f"metadata.ownerReferences[{index}]" if len(owners or ()) > 1 else "metadata.ownerReferences"
        for name, what in (("apiVersion", "version"), ("kind", "kind"), ("name", "name"), ("uid", "uid")):
            if not owner.get(name):
                causes.append(text.invalid(f"{field}.{name}", owner.get(name) or "", f"{what} must not be empty"))
        if owner.get("apiVersion") == "v1" and owner.get("kind") == "Event":
            causes.append(text.invalid(field, "v1, Kind=Event", "v1, Kind=Event is disallowed from being an owner"))
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind')}/{owner.get('name')}")
    if len(controllers) > _CONTROLLERS_MAX:
        causes.append(
            text.invalid(
                "metadata.ownerReferences",
                controllers,
                'Only one reference can have Controller set to true. Found "true" in references for '
                f"{controllers[0]} and {controllers[1]}",
            )
        )
    return causes


def _check_finalizers(finalizers: Sequence[str] | None) -> list[Cause]:
    causes: list[Cause] = []
    found = set(finalizers or ())
    for name in finalizers or ():
        causes += text.check(text.is_qualified_name, "metadata.finalizers", name)
    if ORPHAN in found and FOREGROUND in found:
        causes.append(
            text.invalid(
                "metadata.finalizers", list(finalizers or ()), f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"
            )
        )
    return causes
