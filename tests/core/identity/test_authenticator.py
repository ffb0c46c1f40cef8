"""From a request to its caller: certificates, tokens, root on a socket, impersonation."""

from __future__ import annotations

import os
import ssl
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from maru.core.document import Key
from maru.core.errors import Denied, Invalid, Unauthenticated
from maru.core.front.message import Peer
from maru.core.identity.authenticator import ANONYMOUS_CALLER, Authenticator
from maru.core.identity.ca import CertificateAuthority
from maru.core.identity.rbac.rolebook import CLUSTERROLEBINDINGS, CLUSTERROLES, RoleBook
from maru.core.identity.signing_keys import SigningKeys
from maru.core.identity.tokens import Bound, TokenGrant, TokenIssuer
from maru.core.ids import SeededIds
from maru.core.store.engine import Engine
from maru.core.store.interface import Change
from tests.fakes.clock import FakeClock
from tests.fakes.request import PlainRequest


class House:
    def __init__(self, folder):
        self.clock = FakeClock()
        self.store = Engine(self.clock)
        self.book = RoleBook()
        self.authority = CertificateAuthority.open_blocking(folder, self.clock)
        keys = SigningKeys(ec.generate_private_key(ec.SECP256R1()))
        self.tokens = TokenIssuer(keys, "https://issuer", self.store.get, self.clock, SeededIds(1))
        self.authenticator = Authenticator(self.tokens, self.book, self.clock)

    def certificate(self, user, *groups, life=timedelta(days=1)):
        pem = self.authority.issue_client(user, groups, life).certificate
        return Peer("127.0.0.1:1", certificate=ssl.PEM_cert_to_DER_cert(pem.decode()))

    def ask(self, headers=(), peer=None):
        return self.authenticator.authenticate(PlainRequest(headers, peer))

    def allow_impersonation(self, user, *rules):
        self.book.put(Key(CLUSTERROLES, "", "imp"), {"rules": list(rules)})
        reference = {"kind": "ClusterRole", "name": "imp"}
        self.book.put(
            Key(CLUSTERROLEBINDINGS, "", "imp"),
            {"roleRef": reference, "subjects": [{"kind": "User", "name": user}]},
        )


@pytest.fixture
async def house(tmp_path):
    return House(tmp_path)


async def test_certificate_is_the_caller(house):
    caller = house.ask(peer=house.certificate("jane", "team"))
    assert (caller.name, caller.groups) == ("jane", ("team", "system:authenticated"))


async def test_expired_certificate_is_refused_not_anonymous(house):
    peer = house.certificate("jane", life=timedelta(hours=1))
    house.clock.jump(7200)
    with pytest.raises(Unauthenticated):
        house.ask(peer=peer)


async def test_token_is_the_caller(house):
    await house.store.write(
        [Change(Key("serviceaccounts", "ci", "b"), {"metadata": {"name": "b", "namespace": "ci", "uid": "u"}})]
    )
    token = house.tokens.issue(TokenGrant("ci", Bound("b", "u"))).token
    for scheme in ("Bearer", "bearer"):
        assert house.ask([("Authorization", f"{scheme} {token}")]).name == "system:serviceaccount:ci:b"
    with pytest.raises(Unauthenticated):
        house.ask([("Authorization", f"Bearer {token}x")])
    assert house.ask([("Authorization", f"Basic {token}")]) is ANONYMOUS_CALLER


async def test_nothing_shown_is_anonymous(house):
    caller = house.ask()
    assert (caller.name, caller.groups) == ("system:anonymous", ("system:unauthenticated",))


async def test_owner_of_the_unix_socket_is_admin(house):
    admin = house.ask(peer=Peer("/run/api.sock", user_id=os.geteuid()))
    assert admin.name == "system:admin"
    assert "system:masters" in admin.groups
    assert house.ask(peer=Peer("/run/api.sock", user_id=64_999)) is ANONYMOUS_CALLER


async def test_admin_may_be_anybody(house):
    admin = Peer("/run/api.sock", user_id=0)
    headers = [
        ("Impersonate-User", "jane"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-Scopes", "read"),
        ("Impersonate-Extra-Scopes", "write"),
        ("Impersonate-Extra-acme.com%2Fproject", "x"),
    ]
    caller = house.ask(headers, admin)
    assert (caller.name, caller.uid) == ("jane", "7")
    assert caller.groups == ("a", "b", "system:authenticated")
    assert caller.extra == {"scopes": ("read", "write"), "acme.com/project": ("x",)}


async def test_impersonated_service_account_has_its_groups(house):
    caller = house.ask([("Impersonate-User", "system:serviceaccount:ci:b")], Peer("/s", user_id=0))
    assert caller.groups == ("system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated")


async def test_impersonated_anonymous_is_not_authenticated(house):
    caller = house.ask([("Impersonate-User", "system:anonymous")], Peer("/s", user_id=0))
    assert caller.groups == ("system:unauthenticated",)


async def test_audit_sees_both_callers(house):
    callers = house.authenticator.callers(PlainRequest([("Impersonate-User", "jane")], Peer("/s", user_id=0)))
    assert (callers.real.name, callers.caller.name) == ("system:admin", "jane")


async def test_impersonation_needs_permission_for_every_part(house):
    peer = house.certificate("boss")
    want = [("Impersonate-User", "jane"), ("Impersonate-Group", "team"), ("Impersonate-Extra-Scope", "x")]
    with pytest.raises(Denied, match='User "boss" cannot impersonate resource "users"'):
        house.ask(want, peer)
    users = {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["jane"]}
    groups = {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["groups"]}
    extras = {"verbs": ["impersonate"], "apiGroups": ["authentication.k8s.io"], "resources": ["userextras/scope"]}
    house.allow_impersonation("boss", users)
    with pytest.raises(Denied, match='"groups"'):
        house.ask(want, peer)
    house.allow_impersonation("boss", users, groups)
    with pytest.raises(Denied, match="userextras/scope"):
        house.ask(want, peer)
    house.allow_impersonation("boss", users, groups, extras)
    assert house.ask(want, peer).name == "jane"
    with pytest.raises(Denied, match='"uids"'):
        house.ask([*want, ("Impersonate-Uid", "1")], peer)
    with pytest.raises(Denied):
        house.ask([("Impersonate-User", "joe")], peer)


async def test_service_account_is_impersonated_by_its_own_right(house):
    peer = house.certificate("boss")
    want = [("Impersonate-User", "system:serviceaccount:ci:b")]
    house.allow_impersonation("boss", {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"]})
    with pytest.raises(Denied, match='"serviceaccounts" in API group "" in the namespace "ci"'):
        house.ask(want, peer)
    house.allow_impersonation("boss", {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["serviceaccounts"]})
    assert house.ask(want, peer).name == "system:serviceaccount:ci:b"


async def test_groups_without_a_user_are_invalid(house):
    with pytest.raises(Invalid):
        house.ask([("Impersonate-Group", "system:masters")], Peer("/s", user_id=0))


async def test_anonymous_may_not_impersonate(house):
    with pytest.raises(Denied):
        house.ask([("Impersonate-User", "jane")])
