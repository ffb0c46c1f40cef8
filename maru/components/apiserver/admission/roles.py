"""Nobody gives away what they do not have: roles, bindings, certificate signing, owner references.

Source: k8s.io/kubernetes/pkg/registry/rbac (policybased); plugin/pkg/admission: certificates/approval,
certificates/signing, certificates/subjectrestriction, gc (OwnerReferencesPermissionEnforcement).
"""

from __future__ import annotations

from maru.components.apiserver.admission.review import CREATE, UPDATE, Review, Rule
from maru.components.apiserver.errors import denied
from maru.components.apiserver.model.catalog import Catalog
from maru.core.access import GROUP_MASTERS, Attributes
from maru.core.clock import Clock, rfc3339
from maru.core.document import Resource, Value
from maru.core.identity.rbac.escalation import check_binding_write, check_role_write
from maru.core.identity.rbac.rolebook import RoleBook
from maru.kinds.resources import (
    CERTIFICATESIGNINGREQUESTS,
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    ROLEBINDINGS,
    ROLES,
)

_ROLES = frozenset({ROLES.storage, CLUSTERROLES.storage})
_BINDINGS = frozenset({ROLEBINDINGS.storage, CLUSTERROLEBINDINGS.storage})
_CERTIFICATES = CERTIFICATESIGNINGREQUESTS.group


class Escalation(Rule):
    """Roles and bindings."""

    name = "RBACEscalation"

    def __init__(self, book: RoleBook) -> None:
        self._book = book

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates and updates of the four kinds of RBAC."""
        return operation in (CREATE, UPDATE) and resource.storage in _ROLES | _BINDINGS

    async def check(self, review: Review) -> None:
        """Raises Denied."""
        assert review.value is not None
        if review.is_own:
            return
        if review.stored.storage in _ROLES:
            check_role_write(self._book, review.caller, review.value, review.old)
        else:
            check_binding_write(self._book, review.caller, review.value, review.old)


class CertificateRequests(Rule):
    """Who asks is written down by the server; who approves or signs needs the right for the signer."""

    name = "CertificateApproval"

    def __init__(self, book: RoleBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """All writes of certificate signing requests."""
        return operation in (CREATE, UPDATE) and resource.storage == CERTIFICATESIGNINGREQUESTS.storage

    async def admit(self, review: Review) -> None:
        """Sets spec.username, groups, uid and extra of a new request, and the times of conditions without."""
        assert review.value is not None
        if review.operation != CREATE:
            _stamp(review.value, review.old or {}, rfc3339(self._clock.now()))
            return
        spec = review.value.setdefault("spec", {})
        caller = review.caller
        for name in ("uid", "extra"):
            spec.pop(name, None)
        spec["username"] = caller.name
        spec["groups"] = list(caller.groups)
        if caller.uid:
            spec["uid"] = caller.uid
        if caller.extra:
            spec["extra"] = {key: list(values) for key, values in caller.extra.items()}

    async def check(self, review: Review) -> None:
        """Raises Denied."""
        value, old = review.value, review.old
        assert value is not None
        signer = (value.get("spec") or {}).get("signerName") or ""
        if review.operation == CREATE or review.is_own:
            return
        assert old is not None
        if review.subresource == "approval":
            self._require(review, "approve", signer)
        elif review.subresource == "status":
            have, want = old.get("status") or {}, value.get("status") or {}
            if have.get("certificate") != want.get("certificate") or _failed(have) != _failed(want):
                self._require(review, "sign", signer)

    def _require(self, review: Review, verb: str, signer: str) -> None:
        domain = f"{signer.partition('/')[0]}/*"
        for name in (signer, domain):
            asked = Attributes(verb, _CERTIFICATES, "v1", "signers", name=name)
            if self._book.authorize(review.caller, asked).allowed:
                return
        raise denied(
            CERTIFICATESIGNINGREQUESTS, review.name, f'user not permitted to {verb} requests with signerName "{signer}"'
        )


class OwnerReferences(Rule):
    """A blocking owner reference needs the right to set the owner's finalizers."""

    name = "OwnerReferencesPermissionEnforcement"

    def __init__(self, book: RoleBook, catalog: Catalog) -> None:
        self._book = book
        self._catalog = catalog

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates and updates of documents themselves."""
        return operation in (CREATE, UPDATE) and subresource in ("", "status")

    async def check(self, review: Review) -> None:
        """Raises Denied."""
        if review.is_own or GROUP_MASTERS in review.caller.groups or review.value is None:
            return
        owners = review.value["metadata"].get("ownerReferences") or ()
        before = {one["uid"]: one for one in ((review.old or {}).get("metadata") or {}).get("ownerReferences") or ()}
        for owner in owners:
            if owner.get("blockOwnerDeletion") and not before.get(owner["uid"], {}).get("blockOwnerDeletion"):
                self._require(review, owner)

    def _require(self, review: Review, owner: Value) -> None:
        group, _, version = owner["apiVersion"].rpartition("/")
        served = self._catalog.of_kind(group, version, owner["kind"])
        if served is None:
            why = (
                "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for "
                f"APIVersion {owner['apiVersion']} Kind {owner['kind']}"
            )
            raise denied(review.resource, review.name, why)
        namespace = review.namespace if served.resource.namespaced else ""
        asked = Attributes("update", group, version, served.resource.plural, "finalizers", namespace, owner["name"])
        if not self._book.authorize(review.caller, asked).allowed:
            why = (
                "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: "
            )
            raise denied(review.resource, review.name, why)


def _stamp(value: Value, old: Value, now: str) -> None:
    """Fill in lastUpdateTime and lastTransitionTime; the latter stays while the condition's status does."""
    before = {one.get("type"): one for one in (old.get("status") or {}).get("conditions") or ()}
    for condition in (value.get("status") or {}).get("conditions") or ():
        earlier = before.get(condition.get("type"), {})
        is_same = earlier.get("status") == condition.get("status")
        condition["lastUpdateTime"] = condition.get("lastUpdateTime") or now
        kept = earlier.get("lastTransitionTime") if is_same else None
        condition["lastTransitionTime"] = condition.get("lastTransitionTime") or kept or now


def _failed(status: Value) -> list[Value]:
    return [one for one in status.get("conditions") or () if one.get("type") == "Failed"]
