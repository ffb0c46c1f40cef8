"""The component over the real engine in memory: what it gives, and how it follows the store."""

from __future__ import annotations

import asyncio
import json
import ssl
import stat
from contextlib import asynccontextmanager

import aiohttp
import pytest
import yaml

from maru.components.access import component
from maru.components.access.config import AccessConfig
from maru.core.access import Attributes, Caller
from maru.core.clock import SystemClock
from maru.core.document import Key
from maru.core.errors import Invalid
from maru.core.front.listener import TcpListener
from maru.core.front.message import Answer
from maru.core.front.server import serve
from maru.core.identity.audit import AuditedRequest, AuditFiles, AuditLog
from maru.core.identity.rbac.rolebook import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS
from maru.core.ids import SeededIds
from maru.core.site import Site
from maru.core.store.engine import Engine
from maru.core.store.interface import Change
from tests.fakes.clock import FakeClock


@asynccontextmanager
async def access(folder, clock=None, store=None, **config):
    clock = clock or FakeClock()
    store = store or Engine(clock)
    site = Site(data_dir=folder, node_name="n1", port_offset=1000)
    needs = component.Needs(site, store, clock, SeededIds(1), AccessConfig(**config))
    async with component.open(needs) as gives:
        yield gives, store, clock


def pods(verb, **more):
    return Attributes(verb, "", "v1", "pods", **more)


async def test_binding_holds_as_soon_as_it_is_stored(tmp_path):
    async with access(tmp_path) as (gives, store, clock):
        jane = Caller("jane", ("system:authenticated",))
        assert not gives.authorizer.authorize(jane, pods("get", namespace="a")).allowed
        key = Key(ROLEBINDINGS, "a", "b")
        value = {
            "metadata": {"name": "b", "namespace": "a"},
            "roleRef": {"kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "User", "name": "jane"}],
        }
        await store.write([Change(key, value)])
        await clock.settle()
        assert gives.authorizer.authorize(jane, pods("get", namespace="a")).allowed
        await store.write([Change(key, None)])
        await clock.settle()
        assert not gives.authorizer.authorize(jane, pods("get", namespace="a")).allowed


async def test_new_labelled_role_is_gathered_and_its_rules_go_with_it(tmp_path):
    async with access(tmp_path) as (_, store, clock):
        key = Key(CLUSTERROLES, "", "crontabs")
        value = {
            "kind": "ClusterRole",
            "metadata": {"name": "crontabs", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
            "rules": [{"verbs": ["get"], "apiGroups": ["stable.example.com"], "resources": ["crontabs"]}],
        }
        await store.write([Change(key, value)])
        await clock.settle()
        for name in ("view", "edit", "admin"):
            rules = store.get(Key(CLUSTERROLES, "", name)).value["rules"]
            assert value["rules"][0] in rules
        await store.write([Change(key, None)])
        await clock.settle()
        rules = store.get(Key(CLUSTERROLES, "", "admin")).value["rules"]
        assert value["rules"][0] not in rules
        settled = store.version
        await clock.advance(10)
        assert store.version == settled


async def test_second_start_writes_nothing(tmp_path):
    async with access(tmp_path) as (_, store, clock):
        version = store.version
        assert store.get(Key(CLUSTERROLEBINDINGS, "", "cluster-admin")).metadata["uid"]
    async with access(tmp_path, clock, store):
        assert store.version == version


async def test_keys_are_private_and_kept(tmp_path):
    async with access(tmp_path) as (gives, store, clock):
        bundle, jwks = gives.authority.bundle, gives.tokens.jwks()
    for path in (tmp_path / "access").glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "kubeconfig").stat().st_mode) == 0o600
    async with access(tmp_path, clock, store) as (gives, _, _):
        assert gives.authority.bundle == bundle
        assert gives.tokens.jwks() == jwks


async def test_kubeconfig_opens_the_front_as_administrator(tmp_path):
    async with access(tmp_path, SystemClock()) as (gives, _, _):

        async def handler(request):
            caller = gives.authenticator.authenticate(request)
            allowed = gives.authorizer.authorize(caller, pods("delete")).allowed
            return Answer(200, f"{caller.name} {allowed}".encode())

        config = yaml.safe_load((tmp_path / "kubeconfig").read_text())
        cluster = config["clusters"][0]["cluster"]
        assert cluster["server"] == "https://127.0.0.1:7443"
        assert config["current-context"] == "maru"
        context = context_of(tmp_path, config)
        async with serve([TcpListener("127.0.0.1", 0, gives.tls)], handler) as front:
            for host in ("127.0.0.1", "localhost"):
                async with (
                    aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
                    session.get(f"https://{host}:{front.ports[0]}/") as answer,
                ):
                    assert await answer.text() == "kubernetes-admin True"


def context_of(folder, config):
    import base64

    user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
    for name, key in (("client-certificate-data", "c.crt"), ("client-key-data", "c.key")):
        (folder / key).write_bytes(base64.b64decode(user[name]))
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    context.load_cert_chain(folder / "c.crt", folder / "c.key")
    return context


async def test_certificate_is_issued_again_when_its_names_change(tmp_path):
    async with access(tmp_path):
        before = (tmp_path / "access" / "apiserver.crt").read_bytes()
    async with access(tmp_path):
        assert (tmp_path / "access" / "apiserver.crt").read_bytes() == before
    async with access(tmp_path, certificate_names=("api.example.com", "192.0.2.1")):
        assert (tmp_path / "access" / "apiserver.crt").read_bytes() != before
    with pytest.raises(Invalid, match="neither a DNS name nor an address"):
        async with access(tmp_path, certificate_names=("no name",)):
            pass


async def test_node_may_do_its_own_work_and_read_what_its_pods_use(tmp_path):
    async with access(tmp_path) as (gives, store, _):
        pod = {
            "metadata": {"name": "web", "namespace": "a", "annotations": {"was-on": "n2"}},
            "spec": {
                "nodeName": "n1",
                "serviceAccountName": "web",
                "containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "env"}}]}],
                "volumes": [{"name": "v", "secret": {"secretName": "mounted"}}],
            },
        }
        await store.write([Change(Key("pods", "a", "web"), pod)])
        mine, other = (Caller(f"system:node:{name}", ("system:nodes",)) for name in ("n1", "n2"))

        def may(caller, verb, what, namespace="a", name="", group=""):
            resource, _, subresource = what.partition("/")
            asked = Attributes(verb, group, "v1", resource, subresource, namespace, name)
            return gives.authorizer.authorize(caller, asked).allowed

        table = [
            ("get", "secrets", {"name": "mounted"}),
            ("get", "secrets", {"name": "env"}),
            ("create", "serviceaccounts/token", {"name": "web"}),
            ("patch", "pods/status", {"name": "web"}),
            ("delete", "pods", {"name": "web"}),
            ("patch", "nodes/status", {"namespace": "", "name": "n1"}),
            ("update", "leases", {"namespace": "kube-node-lease", "name": "n1", "group": "coordination.k8s.io"}),
        ]
        for verb, what, more in table:
            assert may(mine, verb, what, **more)
            assert not may(other, verb, what, **more)
        assert may(mine, "watch", "pods", "")
        assert may(mine, "create", "events")
        assert not may(mine, "get", "secrets", name="unused")
        assert not may(mine, "list", "secrets")
        assert not may(mine, "create", "deployments", group="apps")
        assert not may(Caller("system:node:n1"), "get", "secrets", name="mounted")
        rules = gives.role_book.rules_for(mine, "a")
        assert rules.incomplete
        assert rules.fault == "node authorizer does not support user rule resolution"


def audited(clock, verb="create", code=201, **more):
    return AuditedRequest(
        real=Caller("system:admin", ("system:masters",)),
        caller=Caller("jane", ("team",), extra={"scope": ("x",)}),
        attributes=Attributes(verb, "apps", "v1", "deployments", "", "a", "web"),
        uri="/apis/apps/v1/namespaces/a/deployments",
        address="127.0.0.1",
        user_agent="kubectl",
        received_at=clock.now(),
        code=code,
        **more,
    )


async def test_audit_tells_who_did_what_and_how_it_ended(tmp_path):
    async with access(tmp_path) as (gives, _, clock):
        gives.audit.record(audited(clock))
        gives.audit.record(audited(clock, "get", 200))
        gives.audit.record(audited(clock, "get", 403, message="no", reason="because"))
    lines = [json.loads(line) for line in (tmp_path / "audit" / "audit.log").read_bytes().splitlines()]
    assert [(line["verb"], line["responseStatus"]["code"]) for line in lines] == [("create", 201), ("get", 403)]
    first, denied = lines
    assert first["kind"] == "Event"
    assert first["apiVersion"] == "audit.k8s.io/v1"
    assert first["user"]["username"] == "system:admin"
    assert first["impersonatedUser"] == {"username": "jane", "groups": ["team"], "extra": {"scope": ["x"]}}
    assert first["objectRef"] == {
        "resource": "deployments",
        "namespace": "a",
        "name": "web",
        "apiGroup": "apps",
        "apiVersion": "v1",
    }
    assert denied["responseStatus"]["message"] == "no"
    assert denied["annotations"]["authorization.k8s.io/decision"] == "forbid"


async def test_audit_files_stay_within_their_bound(tmp_path):
    clock = FakeClock()
    log = AuditLog(AuditFiles(tmp_path, 4096, 3), "all", clock, SeededIds(1))
    for _ in range(40):
        for _ in range(5):
            log.record(audited(clock, "get", 200))
        await log.flush()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert set(names) <= {"audit.log", "audit.log.1", "audit.log.2"}
    assert "audit.log.2" in names
    assert all(path.stat().st_size < 3 * 4096 for path in tmp_path.iterdir())
    assert stat.S_IMODE((tmp_path / "audit.log.1").stat().st_mode) == 0o600


async def test_audit_that_nobody_writes_drops_the_oldest_and_counts(tmp_path, monkeypatch):
    monkeypatch.setattr("maru.core.identity.audit.STREAM_ITEMS_MAX", 3)
    clock = FakeClock()
    log = AuditLog(AuditFiles(tmp_path, 4096, 3), "all", clock, SeededIds(1))
    for number in range(5):
        log.record(audited(clock, code=200 + number))
    await log.flush()
    lines = (tmp_path / "audit.log").read_bytes().splitlines()
    assert [json.loads(line)["responseStatus"]["code"] for line in lines] == [202, 203, 204]
    assert log.dropped_total == 2


async def test_nothing_is_left_running(tmp_path):
    async with access(tmp_path):
        assert len(asyncio.all_tasks()) > 1
    assert len(asyncio.all_tasks()) == 1
