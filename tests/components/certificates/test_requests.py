"""CertificateSigningRequests over the API: who is signed, what the certificate says, when requests go."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from maru.components.certificates import component
from maru.components.certificates.config import CertificatesConfig
from maru.core.access import Decision
from maru.core.errors import Unavailable
from maru.core.identity.ca import CertificateAuthority, subject_of
from maru.core.informer import Informers
from maru.core.lifecycle import background
from maru.kinds.resources import CERTIFICATESIGNINGREQUESTS, CONFIGMAPS, NAMESPACES
from tests.fakes.client import FakeClients
from tests.fakes.clock import FakeClock

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"
CLIENT_USAGES = ("digital signature", "client auth")
SERVER_USAGES = ("digital signature", "server auth")


class Allowing:
    """Allows the (user, subresource) pairs it was given."""

    def __init__(self):
        self.pairs = set()

    def authorize(self, caller, attributes):
        return Decision((caller.name, attributes.subresource) in self.pairs)


def pkcs10(common_name, organizations=(), alternatives=()):
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject_of(common_name, organizations))
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


@dataclass
class House:
    api: FakeClients
    clock: FakeClock
    authority: CertificateAuthority
    allowing: Allowing

    async def ask(self, signer, request=None, *, usages=CLIENT_USAGES, name="csr", user="jane", **spec):
        request = pkcs10("jane", ["team"]) if request is None else request
        await self.api.put(
            CERTIFICATESIGNINGREQUESTS,
            {
                "metadata": {"name": name},
                "spec": {
                    "request": base64.b64encode(request).decode(),
                    "signerName": signer,
                    "usages": list(usages),
                    "username": user,
                    **spec,
                },
            },
        )
        await self.clock.settle()

    async def decide(self, kind="Approved", name="csr"):
        request = self.find(name)
        condition = {"type": kind, "status": "True", "reason": "ByHand", "lastUpdateTime": self.stamp()}
        request.setdefault("status", {}).setdefault("conditions", []).append(condition)
        await self.api.acting_as("admin").update(CERTIFICATESIGNINGREQUESTS, request, subresource="approval")
        await self.clock.settle()

    def stamp(self):
        return self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def find(self, name="csr"):
        return self.api.find(CERTIFICATESIGNINGREQUESTS, "", name)

    def certificate(self, name="csr"):
        return x509.load_pem_x509_certificate(base64.b64decode(self.find(name)["status"]["certificate"]))

    def conditions(self, name="csr"):
        found = (self.find(name).get("status") or {}).get("conditions") or []
        return [(condition["type"], condition["reason"], condition.get("message", "")) for condition in found]


@pytest.fixture
async def house(tmp_path):
    async with standing(tmp_path) as made:
        yield made


@asynccontextmanager
async def standing(folder, **config):
    clock = FakeClock()
    api = FakeClients(clock)
    authority = CertificateAuthority.open_blocking(folder, clock)
    allowing = Allowing()
    informers = Informers(api.acting_as("test"), clock, api.ids)
    needs = component.Needs(api, informers, authority, allowing, clock, api.ids, CertificatesConfig(**config))
    async with background("test") as tasks, component.open(needs):
        tasks.start(informers.run())
        await clock.settle()
        yield House(api, clock, authority, allowing)


async def test_approved_request_is_signed_and_its_certificate_is_ours(house):
    await house.ask(CLIENT)
    assert "certificate" not in house.find().get("status", {})
    await house.decide()
    certificate = house.certificate()
    certificate.verify_directly_issued_by(house.authority.certificate)
    assert certificate.subject == subject_of("jane", ["team"])
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert certificate.not_valid_after_utc == house.clock.now() + timedelta(days=365)
    assert {act.user for act in house.api.acts if act.subresource == "status"} == {
        "system:controller:certificate-controller"
    }


@pytest.mark.parametrize("kinds", [["Denied"], ["Approved", "Denied"]])
async def test_denied_request_is_not_signed(house, kinds):
    await house.ask("example.com/other")
    request = house.find()
    request["spec"]["signerName"] = CLIENT
    request["status"] = {"conditions": [{"type": kind, "status": "True", "reason": "x"} for kind in kinds]}
    await house.api.put(CERTIFICATESIGNINGREQUESTS, request)
    await house.clock.settle()
    assert "certificate" not in house.find()["status"]


@pytest.mark.parametrize(
    ("asked_s", "given_s"), [(600, 600), (3600, 3600), (60, 600), (10**9, 365 * 86400), (None, 365 * 86400)]
)
async def test_life_is_what_was_asked_for_within_the_bounds(house, asked_s, given_s):
    await house.ask(CLIENT, **({} if asked_s is None else {"expirationSeconds": asked_s}))
    await house.decide()
    assert house.certificate().not_valid_after_utc == house.clock.now() + timedelta(seconds=given_s)


async def test_longest_life_is_a_knob(tmp_path):
    async with standing(tmp_path, signing_duration_s=7200) as house:
        await house.ask(CLIENT)
        await house.decide()
        assert house.certificate().not_valid_after_utc == house.clock.now() + timedelta(seconds=7200)


DNS = x509.DNSName("node.example")
MAIL = x509.RFC822Name("a@b.c")
URI = x509.UniformResourceIdentifier("spiffe://x")


@pytest.mark.parametrize(
    ("signer", "request_", "usages", "message"),
    [
        (CLIENT, ("jane", ["team"]), SERVER_USAGES, "usages did not match"),
        (CLIENT, ("jane", ["team"]), (*CLIENT_USAGES, "server auth"), "usages did not match"),
        (CLIENT, ("jane", ["system:masters"]), CLIENT_USAGES, "system:masters group is not allowed"),
        (KUBELET_CLIENT, ("system:node:n1", ["team"]), CLIENT_USAGES, "subject organization is not system:nodes"),
        (KUBELET_CLIENT, ("n1", ["system:nodes"]), CLIENT_USAGES, "does not begin with system:node:"),
        (KUBELET_CLIENT, ("system:node:n1", ["system:nodes"], [DNS]), CLIENT_USAGES, "DNS subjectAltNames"),
        (KUBELET_CLIENT, ("system:node:n1", ["system:nodes"]), SERVER_USAGES, "usages did not match"),
        (SERVING, ("system:node:n1", ["system:nodes"]), SERVER_USAGES, "DNS or IP subjectAltName is required"),
        (SERVING, ("system:node:n1", ["system:nodes"], [DNS, MAIL]), SERVER_USAGES, "Email subjectAltNames"),
        (SERVING, ("system:node:n1", ["system:nodes"], [DNS, URI]), SERVER_USAGES, "URI subjectAltNames"),
        (SERVING, ("system:node:n1", ["system:nodes"], [DNS]), CLIENT_USAGES, "usages did not match"),
        (LEGACY, ("jane", []), ("flying",), "unrecognized usage"),
    ],
)
async def test_request_that_breaks_the_signers_rules_fails_and_says_why(house, signer, request_, usages, message):
    await house.ask(signer, pkcs10(*request_), usages=usages)
    await house.decide()
    kind, reason, why = house.conditions()[-1]
    assert (kind, reason) == ("Failed", "SignerValidationFailure")
    assert message in why
    assert "certificate" not in house.find()["status"]


@pytest.mark.parametrize(
    ("signer", "request_", "usages"),
    [
        (KUBELET_CLIENT, ("system:node:n1", ["system:nodes"]), CLIENT_USAGES),
        (KUBELET_CLIENT, ("system:node:n1", ["system:nodes"]), (*CLIENT_USAGES, "key encipherment")),
        (SERVING, ("system:node:n1", ["system:nodes"], [DNS]), SERVER_USAGES),
        (LEGACY, ("anything", ["system:masters"], [DNS, MAIL, URI]), (*SERVER_USAGES, "client auth")),
    ],
)
async def test_each_signer_signs_what_it_is_for(house, signer, request_, usages):
    await house.ask(signer, pkcs10(*request_), usages=usages)
    await house.decide()
    certificate = house.certificate()
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert names[0].value == request_[0]
    if len(request_) > 2:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert list(alternatives) == request_[2]


@pytest.mark.parametrize("content", [b"", b"nonsense", pkcs10("jane")[:-60]])
async def test_request_that_cannot_be_read_fails(house, content):
    await house.ask(CLIENT, content)
    await house.decide()
    assert house.conditions()[-1][:2] == ("Failed", "SignerValidationFailure")


async def test_other_signers_are_left_alone(house):
    await house.ask("example.com/other")
    await house.decide()
    assert house.conditions() == [("Approved", "ByHand", "")]
    assert "certificate" not in house.find()["status"]


NODE = pkcs10("system:node:n1", ["system:nodes"])


@pytest.mark.parametrize(
    ("user", "pair", "message"),
    [
        ("system:bootstrap:x", "nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview."),
        (
            "system:node:n1",
            "selfnodeclient",
            "Auto approving self kubelet client certificate after SubjectAccessReview.",
        ),
    ],
)
async def test_kubelets_own_request_is_approved_and_signed_without_a_person(house, user, pair, message):
    house.allowing.pairs.add((user, pair))
    await house.ask(KUBELET_CLIENT, NODE, user=user)
    assert house.conditions() == [("Approved", "AutoApproved", message)]
    assert house.certificate().subject == subject_of("system:node:n1", ["system:nodes"])


@pytest.mark.parametrize(
    ("signer", "content", "user", "pair"),
    [
        (KUBELET_CLIENT, NODE, "jane", ("jane", "other")),
        (KUBELET_CLIENT, NODE, "system:node:n2", ("system:node:n2", "selfnodeclient")),
        (KUBELET_CLIENT, pkcs10("jane", ["system:nodes"]), "jane", ("jane", "nodeclient")),
        (CLIENT, NODE, "jane", ("jane", "nodeclient")),
    ],
)
async def test_nobody_elses_request_is_approved(house, signer, content, user, pair):
    house.allowing.pairs.add(pair)
    await house.ask(signer, content, user=user)
    assert house.conditions() == []


async def test_decided_request_goes_after_an_hour(house):
    await house.ask(CLIENT, name="approved")
    await house.ask(CLIENT, name="denied")
    await house.decide(name="approved")
    await house.decide("Denied", name="denied")
    await house.clock.advance(3590)
    assert house.find("approved")
    assert house.find("denied")
    await house.clock.advance(20)
    assert house.find("approved") is None
    assert house.find("denied") is None


async def test_request_that_nobody_decides_goes_after_a_day(house):
    await house.ask("example.com/other")
    await house.clock.advance(86390)
    assert house.find()
    await house.clock.advance(20)
    assert house.find() is None


async def test_request_whose_certificate_expired_goes_at_once(house):
    await house.ask(CLIENT, expirationSeconds=600)
    await house.decide()
    await house.clock.advance(590)
    assert house.find()
    await house.clock.advance(20)
    assert house.find() is None


async def test_signing_goes_on_after_the_api_was_away(house):
    await house.ask(CLIENT)
    request = house.find()
    request["status"] = {"conditions": [{"type": "Approved", "status": "True", "reason": "x"}]}
    house.api.fail_next(Unavailable(what="api", why="restarts", fix=""))
    await house.api.put(CERTIFICATESIGNINGREQUESTS, request)
    await house.clock.advance(5)
    assert house.certificate()


async def test_settled_requests_write_nothing(house):
    await house.ask(CLIENT)
    await house.decide()
    version = house.api.store.version
    await house.clock.advance(600)
    assert house.api.store.version == version


def root_ca(house, namespace):
    return house.api.find(CONFIGMAPS, namespace, "kube-root-ca.crt")


async def test_every_namespace_has_the_authoritys_certificate(house):
    for name in ("default", "team"):
        await house.api.put(NAMESPACES, {"metadata": {"name": name}})
    await house.clock.settle()
    for name in ("default", "team"):
        assert root_ca(house, name)["data"] == {"ca.crt": house.authority.bundle.decode()}
    assert "kubernetes.io/description" in root_ca(house, "team")["metadata"]["annotations"]


async def test_changed_or_deleted_bundle_is_put_right(house):
    await house.api.put(NAMESPACES, {"metadata": {"name": "team"}})
    await house.clock.settle()
    changed = root_ca(house, "team")
    changed["data"] = {"ca.crt": "mine", "more": "x"}
    changed["metadata"]["labels"] = {"mine": "yes"}
    await house.api.put(CONFIGMAPS, changed)
    await house.clock.settle()
    assert root_ca(house, "team")["data"] == {"ca.crt": house.authority.bundle.decode()}
    assert root_ca(house, "team")["metadata"]["labels"] == {"mine": "yes"}
    await house.api.remove(CONFIGMAPS, "team", "kube-root-ca.crt")
    await house.clock.settle()
    assert root_ca(house, "team")


async def test_namespace_that_ends_gets_no_bundle(house):
    metadata = {"name": "team", "deletionTimestamp": "2026-01-02T03:04:05Z", "finalizers": ["x"]}
    await house.api.put(NAMESPACES, {"metadata": metadata})
    await house.clock.settle()
    assert root_ca(house, "team") is None
