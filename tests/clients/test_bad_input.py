"""What is wrong gets one clear error: from the API a Status, from `maru` what, why and what mends it.

And it costs nobody else anything: nothing is lost, nothing is left behind, others are served on.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from maru.boot.holding import holder
from tests.clients.conftest import leftovers
from tests.clients.platform import ROOT, Kubectl, Platform, port_offset, wait_until
from tests.clients.rest import session, tls_of

OFFSET = port_offset(1)
MAPS = "/api/v1/namespaces/default/configmaps"
JSON, YAML = "application/json", "application/yaml"
MERGE, STRATEGIC, PATCH = (
    f"application/{name}+json" for name in ("merge-patch", "strategic-merge-patch", "json-patch")
)
APPLY = "application/apply-patch+yaml"
HIDE = 'for tool in crun runc conmon; do case " $0 " in *" $tool "*) mount --bind /dev/null "$(command -v $tool)";; esac; done; exec "$@"'
BILLION_LAUGHS = b"a0: &a0 [1]\n" + b"".join(b"a%d: &a%d [*a%d,*a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 40))


def map_of(**fields: Any) -> bytes:
    return msgspec.json.encode({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bad"}, **fields})


BODIES = [
    pytest.param(JSON, b"{", 400, "BadRequest", id="half JSON"),
    pytest.param(JSON, b"", 400, "BadRequest", id="empty"),
    pytest.param(JSON, b"\xff\xfe\x00", 400, "BadRequest", id="no text"),
    pytest.param(JSON, b"[]", 400, "BadRequest", id="a list"),
    pytest.param(JSON, b"null", 400, "BadRequest", id="null"),
    pytest.param(JSON, b"[" * 200_000, 400, "BadRequest", id="deep"),
    pytest.param(
        JSON, map_of(data={"x": []})[:-3] + b"[" * 50_000 + b"]" * 50_000 + b"}}", 400, "BadRequest", id="deep inside"
    ),
    pytest.param(YAML, b"a: [1\nb: }", 400, "BadRequest", id="malformed YAML"),
    pytest.param(YAML, BILLION_LAUGHS, 400, "BadRequest", id="YAML aliases"),
    pytest.param(JSON, map_of(data={"x": 1}), 400, "BadRequest", id="wrong type"),
    pytest.param(JSON, map_of(metadata="x"), 400, "BadRequest", id="metadata no object"),
    pytest.param(JSON, map_of(metadata={"name": {"x": 1}}), 400, "BadRequest", id="name no string"),
    pytest.param(JSON, map_of(kind="Nonsense"), 400, "BadRequest", id="wrong kind"),
    pytest.param(JSON, map_of(metadata={"name": "Bad_Name"}), 422, "Invalid", id="bad name"),
    pytest.param(JSON, map_of(metadata={"name": "x", "labels": {"a b": "c"}}), 422, "Invalid", id="bad label"),
    pytest.param(JSON, map_of(data={"x": "y" * 3_200_000}), 413, "RequestEntityTooLarge", id="over 3 MiB"),
    pytest.param("text/plain", map_of(), 415, "UnsupportedMediaType", id="text"),
    pytest.param("application/x-protobuf-nonsense", map_of(), 415, "UnsupportedMediaType", id="unknown type"),
    pytest.param("application/vnd.kubernetes.protobuf", b"nonsense", 400, "BadRequest", id="bad protobuf"),
]
PATCHES = [
    pytest.param(MERGE, b"{", 400, id="half JSON"),
    pytest.param(MERGE, b"[]", 400, id="merge with a list"),
    pytest.param(MERGE, b'{"data":{"x":1}}', (400, 422), id="merge to a wrong type"),
    pytest.param(MERGE, b'{"metadata":{"name":"other"}}', (400, 422), id="another name"),
    pytest.param(STRATEGIC, b'{"metadata":{"labels":"x"}}', (400, 422), id="strategic to a wrong type"),
    pytest.param(PATCH, b"{}", 400, id="JSON patch no list"),
    pytest.param(PATCH, b'[{"op":"dance","path":"/x"}]', (400, 422), id="no such operation"),
    pytest.param(PATCH, b'[{"op":"remove","path":"/data/none"}]', 422, id="remove what is not there"),
    pytest.param(PATCH, b'[{"op":"test","path":"/metadata/name","value":"x"}]', 422, id="test fails"),
    pytest.param(APPLY, b"a: [1", 400, id="apply malformed"),
    pytest.param("application/json", b"{}", 415, id="no patch type"),
]
QUERIES = [
    "labelSelector=a%3D%3D%3Db",
    "labelSelector=%21%21",
    "labelSelector=x+in+(",
    "fieldSelector=spec.nonsense%3D1",
    "limit=many",
    "continue=nonsense",
    "resourceVersion=abc",
    "watch=1&resourceVersion=abc",
    "resourceVersionMatch=Nonsense&resourceVersion=1",
]


@pytest.fixture
async def api(platform: Platform, tmp_path: Path) -> Any:
    async with session(platform, tmp_path) as opened:
        yield opened


async def assert_status(answer: aiohttp.ClientResponse, codes: int | Sequence[int], reason: str = "") -> None:
    body = await answer.read()
    wanted = (codes,) if isinstance(codes, int) else codes
    assert answer.status in wanted, body[:500]
    status = msgspec.json.decode(body)
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    assert status["code"] == answer.status
    assert status["message"]
    assert not reason or status["reason"] == reason, status


@pytest.mark.parametrize(("kind", "body", "code", "reason"), BODIES)
async def test_a_bad_body_is_answered_with_a_status(
    api: aiohttp.ClientSession, kind: str, body: bytes, code: int, reason: str
) -> None:
    async with api.post(MAPS, data=body, headers={"Content-Type": kind}) as answer:
        await assert_status(answer, code, reason)


@pytest.mark.parametrize(("kind", "body", "codes"), PATCHES)
async def test_a_bad_patch_is_answered_with_a_status(
    api: aiohttp.ClientSession, kind: str, body: bytes, codes: int | Sequence[int]
) -> None:
    path = f"{MAPS}/kube-root-ca.crt"
    query = {"fieldManager": "tests"} if kind == APPLY else {}
    async with api.get(path) as before:
        kept = await before.json()
    async with api.patch(path, data=body, headers={"Content-Type": kind}, params=query) as answer:
        await assert_status(answer, codes)
    async with api.get(path) as after:
        assert await after.json() == kept


@pytest.mark.parametrize("query", QUERIES)
async def test_a_bad_query_is_answered_with_a_status(api: aiohttp.ClientSession, query: str) -> None:
    async with api.get(f"{MAPS}?{query}") as answer:
        await assert_status(answer, (400, 410, 422))


async def test_unknown_fields_are_refused_when_asked_to(api: aiohttp.ClientSession) -> None:
    body = map_of(metadata={"name": "unknown"}, nonsense=1)
    async with api.post(f"{MAPS}?fieldValidation=Strict", data=body, headers={"Content-Type": JSON}) as answer:
        await assert_status(answer, 400, "BadRequest")
    async with api.post(f"{MAPS}?fieldValidation=Warn&dryRun=All", data=body, headers={"Content-Type": JSON}) as answer:
        assert answer.status == 201
        assert 'unknown field \\"nonsense\\"' in answer.headers["Warning"]


async def test_slow_clients_keep_nobody_waiting(platform: Platform, api: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Half handshakes, half heads and half bodies, all held open while others are served."""
    address = ("127.0.0.1", 6443 + platform.port_offset)
    context = tls_of(platform, tmp_path)
    with ExitStack() as held:
        for _ in range(200):
            held.enter_context(socket.create_connection(address)).send(b"\x16\x03\x01")
        for number in range(50):
            raw = held.enter_context(socket.create_connection(address))
            spoken = held.enter_context(context.wrap_socket(raw, server_hostname="127.0.0.1"))
            head = b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\n"
            body = b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
            spoken.sendall(head + (body if number % 2 else b""))
        for _ in range(5):
            async with api.get("/version", timeout=aiohttp.ClientTimeout(total=5)) as answer:
                assert answer.status == 200


async def test_a_watcher_that_vanishes_is_noticed_within_a_minute(
    platform: Platform, api: aiohttp.ClientSession
) -> None:
    """The kernel probes connections on which nothing is heard: `ss` shows when next."""
    async with api.get(f"{MAPS}?watch=1") as watch:
        await watch.content.readany()
        port = 6443 + platform.port_offset
        command = ["ss", "-Htno", "state", "established", f"( sport = :{port} )"]
        seen = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        timers = [line.partition("timer:(")[2].split(",")[:2] for line in seen.splitlines()]
        assert timers
        assert all(kind in ("keepalive", "on") and left.endswith(("sec", "ms")) for kind, left in timers), seen


def test_an_image_that_does_not_exist_is_told_by_the_pod(kubectl36: Kubectl) -> None:
    kubectl36("run", "none", "--image=localhost:1/none:v1")
    wait_until(lambda: _waiting_reason(kubectl36) in ("ErrImagePull", "ImagePullBackOff"), "the Pod says so")
    wait_until(lambda: "Failed" in kubectl36("get", "events", "-o", "wide"), "an Event says why")
    assert "localhost:1/none:v1" in kubectl36("describe", "pod", "none")


def _waiting_reason(kubectl: Kubectl) -> str:
    statuses = kubectl.json("get", "pod", "none")["status"].get("containerStatuses", [])
    return str(statuses[0]["state"].get("waiting", {}).get("reason", "")) if statuses else ""


# From here on: the command line.


@pytest.fixture
def fresh() -> Iterator[Platform]:
    """A folder in which nothing was ever started; nothing may be left of it."""
    if os.geteuid() != 0:
        pytest.skip("a platform needs root")
    here = Platform(Path(f"/tmp/maru-bad-{os.getpid()}"), OFFSET)
    yield here
    if (here.data_dir / "site.json").exists():
        here.maru("reset", "--yes")
        here.data_dir.rmdir()
    assert leftovers(here) == set()
    assert not here.data_dir.exists()


@dataclass(frozen=True)
class Standing(Platform):
    """A platform that two `maru up` started at once. said: what each of them printed."""

    said: Sequence[str] = ()


@pytest.fixture(scope="module")
def standing() -> Iterator[Standing]:
    if os.geteuid() != 0:
        pytest.skip("a platform needs root")
    folder = Path(f"/tmp/maru-mistakes-{os.getpid()}")
    command = [sys.executable, "-m", "maru.cli.main", "up", "--data-dir", str(folder), "--port-offset", str(OFFSET)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)]
    said = [started.communicate(timeout=60)[0].decode() for started in both]
    here = Standing(folder, OFFSET, said)
    yield here
    here.maru("reset", "--yes")
    folder.rmdir()
    assert leftovers(here) == set()


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that must have failed as promised."""
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 2, done.stderr
    assert lines[0].startswith("maru: ")
    assert lines[1].startswith("  to mend it: ")
    return done.stderr


def up(here: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    return here.maru("up", "--port-offset", str(here.port_offset), *arguments, check=False)


def wrapped(here: Platform, *prefix: str) -> subprocess.CompletedProcess[str]:
    """`maru up` run by another command."""
    command = [*prefix, sys.executable, "-m", "maru.cli.main", "up", "--data-dir", str(here.data_dir)]
    command += ["--port-offset", str(here.port_offset)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--port-offset", "-1"), "it must lie in 0..50000"),
        (("--port-offset", "50001"), "it must lie in 0..50000"),
        (("--only", "apiserver,nonsense"), "component 'nonsense'"),
    ],
)
def test_arguments_out_of_bounds_are_refused(fresh: Platform, arguments: tuple[str, ...], says: str) -> None:
    assert says in complaint(up(fresh, *arguments))
    assert not fresh.data_dir.exists()


def test_up_without_root_says_so(fresh: Platform) -> None:
    assert "sudo maru up" in complaint(wrapped(fresh, "unshare", "--user"))


@pytest.mark.parametrize(("tools", "package"), [("crun runc", "runc"), ("conmon", "conmon")])
def test_missing_programs_are_named_with_their_package(fresh: Platform, tools: str, package: str) -> None:
    done = wrapped(fresh, "unshare", "--mount", "/bin/sh", "-c", HIDE, tools)
    assert f"apt-get install -y {package}" in complaint(done)
    assert not fresh.data_dir.exists()


def test_a_taken_port_is_named(fresh: Platform) -> None:
    with socket.create_server(("127.0.0.1", 6443 + OFFSET)):
        said = complaint(up(fresh))
    assert f"port {6443 + OFFSET}" in said
    assert "--port-offset" in said


def test_a_folder_too_deep_for_unix_sockets_is_refused(fresh: Platform) -> None:
    deep = Platform(fresh.data_dir / ("d" * 90), OFFSET)
    said = complaint(up(deep))
    assert "unix sockets" in said
    assert "--data-dir" in said
    assert not fresh.data_dir.exists()


@pytest.mark.parametrize("folder", ["/sys/maru", "/proc/maru", "/etc/hostname/maru", "/etc/hostname"])
def test_a_folder_that_cannot_be_written_is_refused(folder: str) -> None:
    assert "--data-dir" in complaint(up(Platform(Path(folder), OFFSET)))


def test_settings_that_are_wrong_are_named_and_end_nothing(standing: Standing) -> None:
    workers = standing.workers()
    settings = standing.data_dir / "config.yaml"
    for text, says in (
        ("network: {mtu_bytes: 70000}", "mtu_bytes"),
        ("network: {nonsense: 1}", "nonsense"),
        ("nonsense: {}", "'nonsense'"),
        ("network: [", "configuration"),
    ):
        settings.write_text(text)
        assert says in complaint(standing.maru("restart", check=False))
    assert standing.workers() == workers
    settings.unlink()


def test_commands_where_no_platform_stands_say_how_to_start_one(fresh: Platform) -> None:
    for command in ("down", "restart", "status", "env", "logs", "image ls", "reset --yes"):
        complaint(fresh.maru(*command.split(), check=False))
    assert not fresh.data_dir.exists()


def test_reset_deletes_no_folder_that_is_not_a_platform(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    complaint(Platform(tmp_path, OFFSET).maru("reset", "--yes", check=False))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    (tmp_path / "site.json").write_text("[]")
    complaint(Platform(tmp_path, OFFSET).maru("reset", "--yes", check=False))
    assert (tmp_path / "thesis.txt").exists()


def test_two_starts_at_once_make_one_platform(standing: Standing) -> None:
    assert sorted("Maru runs already" in text for text in standing.said) == [False, True], standing.said
    assert sum("Maru is ready" in text for text in standing.said) == 1
    assert holder(standing.data_dir / "run" / "supervisor.lock")


def test_a_damaged_store_is_told_and_nothing_is_started_over_it(standing: Standing) -> None:
    standing.down()
    store = standing.data_dir / "store" / "documents.sqlite"
    good = store.read_bytes()
    store.write_bytes(good[:4096] + b"\xa5" * (len(good) - 4096))
    said = complaint(standing.maru("up", check=False))
    assert "damaged" in said
    assert leftovers(standing) == set()
    store.write_bytes(good)
    standing.up()


def test_a_full_disk_refuses_writes_loses_nothing_and_recovers(fresh: Platform) -> None:
    fresh = replace(fresh, port_offset=OFFSET + 500)
    fresh.data_dir.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600m", "tmpfs", str(fresh.data_dir)], check=True)
    try:
        fresh.up()
        kubectl = Kubectl(fresh, "v36", "default")
        kubectl("create", "configmap", "before", "--from-literal=a=b")
        ballast = fresh.data_dir / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            space = os.statvfs(fresh.data_dir)
            os.posix_fallocate(file.fileno(), 0, (space.f_bavail - 64) * space.f_frsize)
            while True:
                file.seek(0, os.SEEK_END)
                file.write(bytes(4096))
        text = "x" * 900_000
        said = ""
        for number in range(30):  # what the log of the store still had room for is written
            document = map_of(metadata={"name": f"more-{number}"}, data={"a": text})
            done = kubectl.run("create", "-f", "-", stdin=document, check=False)
            if done.returncode != 0:
                said = done.stderr
                break
        assert "the disk is full" in said, said
        assert kubectl("get", "configmap", "before", "-o", "jsonpath={.data.a}") == "b"
        ballast.unlink()
        kubectl("create", "configmap", "after", "--from-literal=a=b")
        kept = {item["metadata"]["name"] for item in kubectl.json("get", "configmaps")["items"]}
        assert kept >= {"before", "after", *(f"more-{made}" for made in range(number))}
        fresh.maru("restart")
        again = {item["metadata"]["name"] for item in kubectl.json("get", "configmaps")["items"]}
        assert again == kept
    finally:
        (fresh.data_dir / "ballast").unlink(missing_ok=True)
        fresh.maru("reset", "--yes")
        subprocess.run(["umount", "-l", str(fresh.data_dir)], check=True)
        shutil.rmtree(fresh.data_dir)
