"""Who a request comes from: a client certificate, a bearer token, or root on a unix socket.

Each way either names a caller, does not apply, or fails. The first that names one wins; if one failed
and none succeeded the request is refused rather than taken for anonymous. A caller who may
impersonate can then ask to be treated as somebody else, and the groups, uid and extras of that
somebody are each checked. Source: Kubernetes, "Authenticating", user impersonation;
k8s.io/apiserver/pkg/endpoints/filters/impersonation.go.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from maru.core.access import (
    ANONYMOUS,
    GROUP_AUTHENTICATED,
    GROUP_MASTERS,
    GROUP_UNAUTHENTICATED,
    Attributes,
    Authorizer,
    Caller,
)
from maru.core.clock import Clock
from maru.core.errors import Invalid, Unauthenticated
from maru.core.front.message import Request
from maru.core.identity.certificate import CertifiedCaller, read_certificate
from maru.core.identity.denial import denial
from maru.core.identity.tokens import TokenIssuer, account_groups, split_user_name

ADMIN = "system:admin"
ANONYMOUS_CALLER = Caller(ANONYMOUS, (GROUP_UNAUTHENTICATED,))
_CERTIFICATES_MAX = 1024  # remembered
_EXTRA_PREFIX = "impersonate-extra-"
_AUTHENTICATION_GROUP = "authentication.k8s.io"


@dataclass(frozen=True, slots=True)
class Callers:
    """real: who is connected. caller: who the request is treated as; the same unless impersonated."""

    real: Caller
    caller: Caller


class Authenticator:
    """From a request to its caller."""

    def __init__(self, tokens: TokenIssuer, authorizer: Authorizer, clock: Clock) -> None:
        self._tokens = tokens
        self._authorizer = authorizer
        self._clock = clock
        self._certificates: OrderedDict[bytes, CertifiedCaller] = OrderedDict()
        self._own_user_ids = frozenset({0, os.geteuid()})

    def authenticate(self, request: Request) -> Caller:
        """Who the request is treated as; `ANONYMOUS_CALLER` if it shows nothing.

        Raises Unauthenticated (what it shows is not good), Denied (it may not impersonate) or
        Invalid (impersonation headers without a user).
        """
        return self.callers(request).caller

    def callers(self, request: Request) -> Callers:
        """As `authenticate`, with the real caller too, for the audit log."""
        real = self._connected(request)
        return Callers(real, self._impersonated(request, real))

    def _connected(self, request: Request) -> Caller:
        failure: Unauthenticated | None = None
        peer = request.peer
        if peer.certificate:
            try:
                return _authenticated(self._certified(peer.certificate).valid_at(self._clock.now()))
            except Unauthenticated as error:
                failure = error
        header = request.headers.get("Authorization", "")
        scheme, _, token = header.partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return self._tokens.verify(token.strip()).caller
        if failure is not None:
            raise failure
        if peer.user_id is not None and peer.user_id in self._own_user_ids:
            return Caller(ADMIN, (GROUP_MASTERS, GROUP_AUTHENTICATED))
        return ANONYMOUS_CALLER

    def _certified(self, certificate: bytes) -> CertifiedCaller:
        certified = self._certificates.get(certificate)
        if certified is None:
            certified = read_certificate(certificate)
            self._certificates[certificate] = certified
            if len(self._certificates) > _CERTIFICATES_MAX:
                self._certificates.popitem(last=False)
        return certified

    def _impersonated(self, request: Request, real: Caller) -> Caller:
        user = request.headers.get("Impersonate-User", "")
        groups = tuple(request.header_all("Impersonate-Group"))
        uid = request.headers.get("Impersonate-Uid", "")
        extra = _wanted_extra(request)
        if not user:
            if groups or uid or extra:
                raise Invalid(what="impersonation", why="it names groups, uid or extra but no user", fix="--as=USER")
            return real
        self._check(real, user, groups, uid, extra)
        account = split_user_name(user)
        if account is not None and not groups:
            groups = account_groups(account[0])
        if user == ANONYMOUS:
            groups = groups or (GROUP_UNAUTHENTICATED,)
        elif GROUP_AUTHENTICATED not in groups and GROUP_UNAUTHENTICATED not in groups:
            groups = (*groups, GROUP_AUTHENTICATED)
        return Caller(user, groups, uid, extra)

    def _check(
        self, real: Caller, user: str, groups: Sequence[str], uid: str, extra: dict[str, tuple[str, ...]]
    ) -> None:
        """Raises Denied unless `real` may be all of that."""
        if GROUP_MASTERS in real.groups:
            return
        wanted = [_impersonate_user(user)]
        wanted += [Attributes("impersonate", resource="groups", name=group) for group in groups]
        if uid:
            wanted.append(Attributes("impersonate", _AUTHENTICATION_GROUP, "v1", "uids", name=uid))
        wanted += [
            Attributes("impersonate", _AUTHENTICATION_GROUP, "v1", "userextras", key, name=value)
            for key, values in extra.items()
            for value in values
        ]
        for attributes in wanted:
            decision = self._authorizer.authorize(real, attributes)
            if not decision.allowed:
                raise denial(real, attributes, decision)


def _authenticated(caller: Caller) -> Caller:
    if GROUP_AUTHENTICATED in caller.groups:
        return caller
    return Caller(caller.name, (*caller.groups, GROUP_AUTHENTICATED), caller.uid, caller.extra)


def _impersonate_user(user: str) -> Attributes:
    account = split_user_name(user)
    if account is None:
        return Attributes("impersonate", resource="users", name=user)
    namespace, name = account
    return Attributes("impersonate", version="v1", resource="serviceaccounts", namespace=namespace, name=name)


def _wanted_extra(request: Request) -> dict[str, tuple[str, ...]]:
    """Keys are lower case and may be percent-encoded, as the real server reads them."""
    extra: dict[str, tuple[str, ...]] = {}
    for name in request.headers:
        lowered = name.lower()
        if lowered.startswith(_EXTRA_PREFIX):
            extra[unquote(lowered.removeprefix(_EXTRA_PREFIX))] = tuple(request.header_all(name))
    return extra
