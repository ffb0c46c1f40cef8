"""A write as AdmissionReview shows it. Source: admission.k8s.io/v1 AdmissionRequest."""

from __future__ import annotations

from maru.components.apiserver.admission.dynamic.matching import Place
from maru.components.apiserver.admission.review import CONNECT, DELETE, Review
from maru.core.document import Resource, Value


def request_of(review: Review, place: Place, uid: str) -> Value:
    """The request without its objects."""
    shown: Value = {
        "uid": uid,
        "kind": _kind(review, place.resource),
        "resource": _resource(place.resource),
        "requestKind": _kind(review, review.resource),
        "requestResource": _resource(review.resource),
        "name": review.name,
        "namespace": review.namespace,
        "operation": review.operation,
        "userInfo": _user(review),
        "dryRun": review.dry_run,
        "options": review.options,
    }
    if review.subresource:
        shown["subResource"] = shown["requestSubResource"] = review.subresource
    for name in ("name", "namespace"):
        if not shown[name]:
            del shown[name]
    if not uid:
        del shown["uid"]
    return shown


async def objects_of(review: Review, place: Place) -> tuple[Value | None, Value | None]:
    """The new and the old object in the version they are shown in. They are not to be changed."""
    new = None if review.operation == DELETE else review.value
    if place.served is None or place.served.conversion is None or review.operation == CONNECT:
        return new, review.old
    found = [one for one in (new, review.old) if one is not None]
    shown = iter(await place.served.conversion.from_stored(found))
    return (None if new is None else next(shown), None if review.old is None else next(shown))


def _kind(review: Review, resource: Resource) -> Value:
    own = review.value if review.subresource else None
    version, kind = (own or {}).get("apiVersion") or resource.api_version, (own or {}).get("kind") or resource.kind
    group, _, name = version.rpartition("/")
    return {"group": group, "version": name, "kind": kind}


def _resource(resource: Resource) -> Value:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


def _user(review: Review) -> Value:
    caller = review.caller
    user: Value = {"username": caller.name, "groups": list(caller.groups)}
    if caller.uid:
        user["uid"] = caller.uid
    if caller.extra:
        user["extra"] = {name: list(values) for name, values in caller.extra.items()}
    return user
