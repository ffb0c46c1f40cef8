"""serviceaccounts/token: a TokenRequest answered with a signed token.

Source: k8s.io/kubernetes/pkg/registry/core/serviceaccount/storage/token.go; authentication/v1 TokenRequest.
"""

from __future__ import annotations

from datetime import timedelta

from maru.components.apiserver.engine.verbs.call import Call
from maru.components.apiserver.errors import bad_request, conflict, invalid, not_found
from maru.core.clock import Clock, rfc3339
from maru.core.document import Document, Resource, Value, key_of
from maru.core.identity.tokens import TOKEN_LIFE, TOKEN_LIFE_MAX, TOKEN_LIFE_MIN, Bound, TokenGrant, TokenIssuer
from maru.core.store.interface import Store
from maru.kinds.resources import NODES, PODS, SECRETS, SERVICEACCOUNTS
from maru.kinds.strategy import Cause

_TOKEN_REQUEST = Resource("authentication.k8s.io", "v1", "tokenrequests", "TokenRequest", namespaced=True)
_KINDS = {"Pod": PODS, "Node": NODES, "Secret": SECRETS}


class Tokens:
    """Answers token requests."""

    def __init__(self, store: Store, issuer: TokenIssuer, clock: Clock) -> None:
        self._store = store
        self._issuer = issuer
        self._clock = clock

    async def request(self, call: Call, value: Value) -> Value:
        """POST of a TokenRequest. Raises NotFound for the account or what it is bound to, Conflict for another uid."""
        account = self._store.get(key_of(SERVICEACCOUNTS, call.namespace, call.name))
        if account is None:
            raise not_found(SERVICEACCOUNTS, call.name)
        spec = dict(value.get("spec") or {})
        life_s = spec.get("expirationSeconds")
        life_s = int(TOKEN_LIFE.total_seconds()) if life_s is None else life_s
        _check_life(call.name, life_s)
        grant = TokenGrant(
            namespace=call.namespace,
            account=Bound(call.name, account.metadata["uid"]),
            audiences=tuple(spec.get("audiences") or ()),
            life=timedelta(seconds=life_s),
            **self._bound(call, spec.get("boundObjectRef")),
        )
        issued = self._issuer.issue(grant)
        shown = {"audiences": list(grant.audiences or self._issuer.audiences), "expirationSeconds": life_s}
        shown["boundObjectRef"] = spec.get("boundObjectRef")
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {
                "name": call.name,
                "namespace": call.namespace,
                "creationTimestamp": rfc3339(self._clock.now()),
            },
            "spec": shown,
            "status": {"token": issued.token, "expirationTimestamp": rfc3339(issued.expires_at)},
        }

    def _bound(self, call: Call, reference: Value | None) -> dict[str, Bound]:
        if not reference:
            return {}
        resource = _KINDS.get(reference.get("kind") or "")
        if resource is None or reference.get("apiVersion") not in (None, "", "v1"):
            raise bad_request(f"cannot bind token for serviceaccount {call.name!r} to object {reference}")
        name = reference.get("name") or ""
        document = self._store.get(key_of(resource, call.namespace, name))
        if document is None:
            raise not_found(resource, name)
        uid = reference.get("uid")
        if uid and uid != document.metadata["uid"]:
            why = f"the UID in the bound object reference ({uid}) does not match the UID in record. "
            raise conflict(resource, name, why + "The object might have been deleted and then recreated")
        bound = {resource.kind.lower(): Bound(name, document.metadata["uid"])}
        if resource is PODS:
            self._check_pod(call, document)
            node = self._store.get(key_of(NODES, "", document.value["spec"].get("nodeName") or ""))
            if node is not None:
                bound["node"] = Bound(node.key.name, node.metadata["uid"])
        return bound

    def _check_pod(self, call: Call, pod: Document) -> None:
        used = pod.value["spec"].get("serviceAccountName") or "default"
        if used != call.name:
            raise bad_request(
                f'cannot bind token for serviceaccount "{call.name}" to pod running with different serviceaccount name.'
            )


def _check_life(name: str, life_s: object) -> None:
    if not isinstance(life_s, int) or life_s < TOKEN_LIFE_MIN.total_seconds():
        text = "may not specify a duration less than 10 minutes"
    elif life_s > TOKEN_LIFE_MAX.total_seconds():
        text = "may not specify a duration larger than 2^32 seconds"
    else:
        return
    causes = [Cause("spec.expirationSeconds", "FieldValueInvalid", f"Invalid value: {life_s}: {text}")]
    raise invalid(_TOKEN_REQUEST, name, causes)
