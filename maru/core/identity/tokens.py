"""Service account tokens: issued for a while and for an audience, bound to what they were made for.

A token stops working when its service account, Pod, Node or Secret is gone or was replaced by one of
the same name, because every use looks the uid up in the store. Signatures are verified once and
remembered. Source: Kubernetes, "Managing Service Accounts", bound tokens; pkg/serviceaccount/claims.go
and legacy.go (the claims).
"""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from joserfc import jwt
from joserfc.errors import JoseError

from maru.core.access import GROUP_AUTHENTICATED, Caller
from maru.core.clock import Clock, parse_rfc3339
from maru.core.document import Document, Key, Value
from maru.core.errors import Unauthenticated
from maru.core.identity.certificate import CREDENTIAL_ID
from maru.core.identity.signing_keys import SigningKeys
from maru.core.ids import Ids

TOKEN_LIFE_MIN = timedelta(minutes=10)  # what TokenRequest accepts at least
TOKEN_LIFE = timedelta(hours=1)
TOKEN_LIFE_MAX = timedelta(seconds=1 << 32)
TOKEN_BYTES_MAX = 16 * 1024
USER_PREFIX = "system:serviceaccount:"
GROUP_SERVICE_ACCOUNTS = "system:serviceaccounts"
_CLAIM = "kubernetes.io"
_LEGACY_ISSUER = "kubernetes/serviceaccount"
_EXTRA = "authentication.kubernetes.io/"
_DELETED_LEEWAY = timedelta(seconds=60)  # a Pod that ends may still use its token; as the real server
_CLOCK_LEEWAY = timedelta(seconds=60)
_REMEMBERED_MAX: Final = 4096

Lookup = Callable[[Key], Document | None]
"""Finds a document in the local store."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A document that a token lives and dies with: its name and uid."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What a token is to say. audiences: empty for the API server's own. pod, node, secret: at most
    what the TokenRequest is bound to; with a pod, node is where it runs.
    """

    namespace: str
    account: Bound
    audiences: Sequence[str] = ()
    life: timedelta = TOKEN_LIFE
    pod: Bound | None = None
    node: Bound | None = None
    secret: Bound | None = None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """The token and the moment it ends (whole seconds, UTC)."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """Who a token names, and which of the audiences that were asked for it is meant for."""

    caller: Caller
    audiences: tuple[str, ...]


class TokenIssuer:
    """Issues and verifies. issuer: the URL in `iss`, and the default audience."""

    def __init__(self, keys: SigningKeys, issuer: str, lookup: Lookup, clock: Clock, ids: Ids) -> None:
        self.issuer = issuer
        self.audiences: tuple[str, ...] = (issuer,)
        self._keys = keys
        self._lookup = lookup
        self._clock = clock
        self._ids = ids
        self._remembered: OrderedDict[str, Value] = OrderedDict()  # token: its claims, oldest use first

    def issue(self, grant: TokenGrant) -> IssuedToken:
        """A signed token for `grant`; the caller has checked that what it is bound to exists."""
        now = self._clock.now().replace(microsecond=0)
        expires_at = now + grant.life
        bound: Value = {
            "namespace": grant.namespace,
            "serviceaccount": {"name": grant.account.name, "uid": grant.account.uid},
        }
        for name, other in (("pod", grant.pod), ("node", grant.node), ("secret", grant.secret)):
            if other is not None:
                bound[name] = {"name": other.name, "uid": other.uid}
        claims = {
            "aud": list(grant.audiences or self.audiences),
            "exp": int(expires_at.timestamp()),
            "iat": int(now.timestamp()),
            "iss": self.issuer,
            "jti": self._ids.uid(),
            _CLAIM: bound,
            "nbf": int(now.timestamp()),
            "sub": user_name(grant.namespace, grant.account.name),
        }
        return IssuedToken(self._sign(claims), expires_at)

    def issue_legacy(self, namespace: str, account: Bound, secret_name: str) -> str:
        """The endless token of a Secret of type kubernetes.io/service-account-token."""
        claim = f"{_LEGACY_ISSUER}/"
        return self._sign(
            {
                "iss": _LEGACY_ISSUER,
                claim + "namespace": namespace,
                claim + "secret.name": secret_name,
                claim + "service-account.name": account.name,
                claim + "service-account.uid": account.uid,
                "sub": user_name(namespace, account.name),
            }
        )

    def verify(self, token: str, audiences: Sequence[str] = ()) -> VerifiedToken:
        """Who `token` names; it must be meant for one of `audiences` (empty: the API server's own).

        Raises Unauthenticated.
        """
        claims = self._claims(token)
        wanted = tuple(audiences) or self.audiences
        if claims.get("iss") == _LEGACY_ISSUER:
            matching = tuple(audience for audience in wanted if audience in self.audiences)
            _require(bool(matching), "it is not meant for this audience")
            return VerifiedToken(self._legacy_caller(claims, token), matching)
        _require(claims.get("iss") == self.issuer, "another issuer made it")
        self._check_period(claims)
        meant = claims.get("aud")
        meant = [meant] if isinstance(meant, str) else meant if isinstance(meant, list) else []
        matching = tuple(audience for audience in wanted if audience in meant)
        _require(bool(matching), "it is not meant for this audience")
        return VerifiedToken(self._bound_caller(claims), matching)

    def jwks(self) -> Value:
        """The public keys, as /openid/v1/jwks serves them."""
        return self._keys.jwks

    def discovery(self, jwks_uri: str) -> Value:
        """The OpenID provider configuration. jwks_uri: absolute, https."""
        algorithms = sorted({key["alg"] for key in self._keys.jwks["keys"]})
        return {
            "issuer": self.issuer,
            "jwks_uri": jwks_uri,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
        }

    def _sign(self, claims: Value) -> str:
        header = {"alg": self._keys.algorithm, "kid": self._keys.key_id}
        return jwt.encode(header, claims, self._keys.private, [self._keys.algorithm], default_type=None)

    def _claims(self, token: str) -> Value:
        """The claims of a token whose signature is ours."""
        claims = self._remembered.get(token)
        if claims is not None:
            self._remembered.move_to_end(token)
            return claims
        _require(len(token) <= TOKEN_BYTES_MAX, "it is too long")
        try:
            claims = jwt.decode(token, self._keys.publics, ["RS256", "ES256"]).claims
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _refused("its signature cannot be verified") from error
        self._remembered[token] = claims
        if len(self._remembered) > _REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return claims

    def _check_period(self, claims: Value) -> None:
        now = self._clock.now()
        expires, begins = claims.get("exp"), claims.get("nbf", 0)
        if not isinstance(expires, int) or not isinstance(begins, int):
            raise _refused("it has no period")
        _require(now < datetime.fromtimestamp(expires, UTC), "it has expired")
        _require(now >= datetime.fromtimestamp(begins, UTC) - _CLOCK_LEEWAY, "it is not valid yet")

    def _bound_caller(self, claims: Value) -> Caller:
        bound = claims.get(_CLAIM)
        if not isinstance(bound, dict):
            raise _refused("it is not bound to a service account")
        namespace, account = bound.get("namespace"), _bound(bound, "serviceaccount")
        if not isinstance(namespace, str) or account is None:
            raise _refused("it names no service account")
        _require(claims.get("sub") == user_name(namespace, account.name), "its subject is another one")
        self._require_there("serviceaccounts", namespace, account, "service account")
        pod, node, secret = _bound(bound, "pod"), _bound(bound, "node"), _bound(bound, "secret")
        if secret is not None:
            self._require_there("secrets", namespace, secret, "Secret")
        extra: dict[str, tuple[str, ...]] = {}
        if isinstance(claims.get("jti"), str):
            extra[CREDENTIAL_ID] = (f"JTI={claims['jti']}",)
        if pod is not None:
            self._require_there("pods", namespace, pod, "Pod")
            extra |= {_EXTRA + "pod-name": (pod.name,), _EXTRA + "pod-uid": (pod.uid,)}
        if node is not None:
            if pod is None:  # with a Pod, the Node is only told
                self._require_there("nodes", "", node, "Node")
            extra |= {_EXTRA + "node-name": (node.name,), _EXTRA + "node-uid": (node.uid,)}
        return account_caller(namespace, account, extra)

    def _legacy_caller(self, claims: Value, token: str) -> Caller:
        claim = f"{_LEGACY_ISSUER}/"
        texts = [
            claims.get(claim + name)
            for name in ("namespace", "secret.name", "service-account.name", "service-account.uid")
        ]
        _require(all(isinstance(text, str) and text for text in texts), "it names no service account")
        namespace, secret_name, name, uid = (str(text) for text in texts)
        _require(claims.get("sub") == user_name(namespace, name), "its subject is another one")
        secret = self._lookup(Key("secrets", namespace, secret_name))
        if secret is None or secret.metadata.get("deletionTimestamp"):
            raise _refused("its Secret is gone")
        try:
            kept = base64.b64decode(secret.value.get("data", {}).get("token", ""))
        except (binascii.Error, TypeError) as error:
            raise _refused("its Secret holds no token") from error
        _require(kept == token.encode(), "its Secret holds another token")
        account = Bound(name, uid)
        self._require_there("serviceaccounts", namespace, account, "service account")
        return account_caller(namespace, account, {})

    def _require_there(self, storage: str, namespace: str, bound: Bound, kind: str) -> None:
        document = self._lookup(Key(storage, namespace, bound.name))
        if document is None or document.metadata.get("uid") != bound.uid:
            raise _refused(f"its {kind} is gone")
        deleted = document.metadata.get("deletionTimestamp")
        if deleted and parse_rfc3339(deleted) < self._clock.now() - _DELETED_LEEWAY:
            raise _refused(f"its {kind} is being deleted")


def user_name(namespace: str, account: str) -> str:
    """The user name of a service account."""
    return f"{USER_PREFIX}{namespace}:{account}"


def split_user_name(user: str) -> tuple[str, str] | None:
    """(namespace, name) of a service account's user name; None if it is not one."""
    if not user.startswith(USER_PREFIX):
        return None
    namespace, separator, name = user.removeprefix(USER_PREFIX).partition(":")
    return (namespace, name) if separator and namespace and name and ":" not in name else None


def account_groups(namespace: str) -> tuple[str, ...]:
    """The groups of every service account of a namespace."""
    return (GROUP_SERVICE_ACCOUNTS, f"{GROUP_SERVICE_ACCOUNTS}:{namespace}")


def account_caller(namespace: str, account: Bound, extra: dict[str, tuple[str, ...]]) -> Caller:
    """The caller that a service account is."""
    groups = (*account_groups(namespace), GROUP_AUTHENTICATED)
    return Caller(user_name(namespace, account.name), groups, account.uid, extra)


def _bound(claims: Value, name: str) -> Bound | None:
    reference = claims.get(name)
    if reference is None:
        return None
    _require(
        isinstance(reference, dict)
        and isinstance(reference.get("name"), str)
        and isinstance(reference.get("uid"), str),
        f"its {name} is not named properly",
    )
    return Bound(reference["name"], reference["uid"])


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise _refused(why)


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(what="bearer token", why=why, fix="ask for a new one: kubectl create token NAME")
