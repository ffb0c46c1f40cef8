"""Service account tokens: what is issued is understood, and nothing else is."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from maru.core.document import Key
from maru.core.errors import Broken, Unauthenticated
from maru.core.identity.signing_keys import SigningKeys
from maru.core.identity.tokens import Bound, TokenGrant, TokenIssuer, split_user_name
from maru.core.ids import SeededIds
from maru.core.store.engine import Engine
from maru.core.store.interface import Change
from tests.fakes.clock import FakeClock

ISSUER = "https://kubernetes.default.svc.cluster.local"
ACCOUNT = Bound("builder", "uid-builder")
KEYS = SigningKeys(rsa.generate_private_key(65537, 2048))
OTHER_KEYS = SigningKeys(rsa.generate_private_key(65537, 2048))


class House:
    def __init__(self, keys=KEYS):
        self.clock = FakeClock()
        self.store = Engine(self.clock)
        self.issuer = TokenIssuer(keys, ISSUER, self.store.get, self.clock, SeededIds(1))

    async def put(self, storage, namespace, name, uid, **more):
        metadata = {"name": name, "namespace": namespace, "uid": uid, **more.pop("metadata", {})}
        await self.store.write([Change(Key(storage, namespace, name), {"metadata": metadata, **more})])

    async def remove(self, storage, namespace, name):
        await self.store.write([Change(Key(storage, namespace, name), None)])

    def grant(self, **more):
        return TokenGrant("ci", ACCOUNT, **more)

    def check_refused(self, token, match=None, audiences=()):
        with pytest.raises(Unauthenticated, match=match):
            self.issuer.verify(token, audiences)


@pytest.fixture
async def house():
    made = House()
    await made.put("serviceaccounts", "ci", "builder", "uid-builder")
    return made


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def test_token_names_its_service_account(house):
    issued = house.issuer.issue(house.grant())
    verified = house.issuer.verify(issued.token)
    assert verified.caller.name == "system:serviceaccount:ci:builder"
    assert verified.caller.uid == "uid-builder"
    assert verified.caller.groups == (
        "system:serviceaccounts",
        "system:serviceaccounts:ci",
        "system:authenticated",
    )
    claims = claims_of(issued.token)
    assert claims["iss"] == ISSUER
    assert claims["aud"] == [ISSUER]
    assert claims["kubernetes.io"] == {
        "namespace": "ci",
        "serviceaccount": {"name": "builder", "uid": "uid-builder"},
    }
    assert claims["exp"] - claims["iat"] == 3600
    assert verified.caller.extra["authentication.kubernetes.io/credential-id"] == (f"JTI={claims['jti']}",)


async def test_token_of_a_pod_tells_pod_and_node(house):
    await house.put("pods", "ci", "web", "uid-web")
    token = house.issuer.issue(house.grant(pod=Bound("web", "uid-web"), node=Bound("n1", "uid-n1"))).token
    extra = house.issuer.verify(token).caller.extra
    assert extra["authentication.kubernetes.io/pod-name"] == ("web",)
    assert extra["authentication.kubernetes.io/pod-uid"] == ("uid-web",)
    assert extra["authentication.kubernetes.io/node-name"] == ("n1",)


async def test_token_ends_when_its_time_is_over(house):
    token = house.issuer.issue(house.grant(life=timedelta(minutes=10))).token
    house.clock.jump(599)
    assert house.issuer.verify(token).caller.name
    house.clock.jump(1)
    house.check_refused(token, "expired")


async def test_token_from_the_future_is_not_valid_yet(house):
    house.clock.jump(3600)
    token = house.issuer.issue(house.grant()).token
    house.clock.jump(-3600)
    house.check_refused(token, "not valid yet")


async def test_token_is_for_its_audience_alone(house):
    token = house.issuer.issue(house.grant(audiences=["vault", "sts"])).token
    house.check_refused(token, "audience")
    assert house.issuer.verify(token, ["sts", "other"]).audiences == ("sts",)
    plain = house.issuer.issue(house.grant()).token
    house.check_refused(plain, "audience", ["vault"])


@pytest.mark.parametrize(
    ("storage", "namespace", "name", "bound"),
    [
        ("serviceaccounts", "ci", "builder", {}),
        ("pods", "ci", "web", {"pod": Bound("web", "uid-web")}),
        ("secrets", "ci", "key", {"secret": Bound("key", "uid-key")}),
        ("nodes", "", "n1", {"node": Bound("n1", "uid-n1")}),
    ],
)
async def test_token_dies_with_what_it_is_bound_to(house, storage, namespace, name, bound):
    await house.put(storage, namespace, name, f"uid-{name}")
    token = house.issuer.issue(house.grant(**bound)).token
    assert house.issuer.verify(token).caller.name
    await house.put(storage, namespace, name, "uid-of-another-of-that-name")
    house.check_refused(token, "is gone")
    await house.remove(storage, namespace, name)
    house.check_refused(token, "is gone")


async def test_token_of_a_pod_that_ends_works_for_a_minute_more(house):
    ends = {"deletionTimestamp": "2026-01-02T03:04:05Z"}
    await house.put("pods", "ci", "web", "uid-web", metadata=ends)
    token = house.issuer.issue(house.grant(pod=Bound("web", "uid-web"))).token
    house.clock.jump(60)
    assert house.issuer.verify(token).caller.name
    house.clock.jump(1)
    house.check_refused(token, "being deleted")


async def test_tampered_token_is_refused(house):
    token = house.issuer.issue(house.grant()).token
    head, body, signature = token.split(".")
    claims = {**claims_of(token), "sub": "system:serviceaccount:kube-system:admin"}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    flipped = signature[:-10] + ("A" if signature[-10] != "A" else "B") + signature[-9:]
    for bad in (
        f"{head}.{forged}.{signature}",
        f"{head}.{body}.{flipped}",
        f"{head}.{body}.",
        f"{unsigned}.{body}.",
        f"{unsigned}.{forged}.{signature}",
        token + "x",
        "nonsense",
        "a.b.c",
        "",
        "x" * 100_000,
    ):
        house.check_refused(bad)
    assert house.issuer.verify(token).caller.name


async def test_token_of_another_key_or_issuer_is_refused(house):
    other = TokenIssuer(OTHER_KEYS, ISSUER, house.store.get, house.clock, SeededIds(1))
    house.check_refused(other.issue(house.grant()).token, "signature")
    elsewhere = TokenIssuer(KEYS, "https://elsewhere", house.store.get, house.clock, SeededIds(1))
    house.check_refused(elsewhere.issue(house.grant()).token, "issuer")


async def test_token_signed_with_the_public_key_as_a_password_is_refused(house):
    from joserfc import jwt
    from joserfc.jwk import OctKey

    claims = claims_of(house.issuer.issue(house.grant()).token)
    public = json.dumps(KEYS.jwks["keys"][0]).encode()
    forged = jwt.encode({"alg": "HS256", "kid": KEYS.key_id}, claims, OctKey.import_key(public))
    house.check_refused(forged, "signature")


async def test_endless_token_lives_and_dies_with_its_secret(house):
    token = house.issuer.issue_legacy("ci", ACCOUNT, "builder-token")
    house.check_refused(token, "Secret is gone")
    kept = base64.b64encode(token.encode()).decode()
    await house.put("secrets", "ci", "builder-token", "uid-s", data={"token": kept})
    house.clock.jump(10 * 365 * 86400)
    assert house.issuer.verify(token).caller.name == "system:serviceaccount:ci:builder"
    house.check_refused(token, "audience", ["vault"])
    await house.put("secrets", "ci", "builder-token", "uid-s", data={"token": "b3RoZXI="})
    house.check_refused(token, "another token")


async def test_tokens_of_a_replaced_key_live_on(tmp_path, house):
    from cryptography.hazmat.primitives import serialization

    old = SigningKeys.open_blocking(tmp_path)
    token = TokenIssuer(old, ISSUER, house.store.get, house.clock, SeededIds(1)).issue(house.grant()).token
    private = serialization.load_pem_private_key((tmp_path / "sa.key").read_bytes(), None)
    (tmp_path / "old.pub").write_bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "sa.key").unlink()
    new = SigningKeys.open_blocking(tmp_path)
    assert new.key_id != old.key_id
    issuer = TokenIssuer(new, ISSUER, house.store.get, house.clock, SeededIds(1))
    assert issuer.verify(token).caller.name
    assert [key["kid"] for key in issuer.jwks()["keys"]] == [new.key_id, old.key_id]


async def test_signing_key_can_be_elliptic(house):
    keys = SigningKeys(ec.generate_private_key(ec.SECP256R1()))
    issuer = TokenIssuer(keys, ISSUER, house.store.get, house.clock, SeededIds(1))
    assert issuer.verify(issuer.issue(house.grant()).token).caller.name
    assert issuer.discovery("https://x/openid/v1/jwks")["id_token_signing_alg_values_supported"] == ["ES256"]


def test_unusable_signing_key_is_broken(tmp_path):
    (tmp_path / "sa.key").write_text("nonsense")
    with pytest.raises(Broken, match=r"sa\.key"):
        SigningKeys.open_blocking(tmp_path)


def test_others_can_verify_with_the_published_keys():
    from joserfc import jwt
    from joserfc.jwk import KeySet

    clock = FakeClock()
    issuer = TokenIssuer(KEYS, ISSUER, lambda key: None, clock, SeededIds(1))
    token = issuer.issue(TokenGrant("ci", ACCOUNT, audiences=["sts"])).token
    published = issuer.jwks()
    assert set(published["keys"][0]) == {"kty", "kid", "use", "alg", "n", "e"}
    assert jwt.decode(token, KeySet.import_key_set(published)).claims["sub"] == "system:serviceaccount:ci:builder"
    assert issuer.discovery("https://x/openid/v1/jwks") == {
        "issuer": ISSUER,
        "jwks_uri": "https://x/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


def test_user_names_of_service_accounts_are_taken_apart():
    assert split_user_name("system:serviceaccount:ci:builder") == ("ci", "builder")
    for other in ("jane", "system:serviceaccount:", "system:serviceaccount:ci", "system:serviceaccount:a:b:c"):
        assert split_user_name(other) is None
