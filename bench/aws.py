"""What users of AWS wait for, side by side: Maru, moto and ministack, in one run on one machine.

Requests are raw HTTP, signed in advance. Only Maru verifies their signatures, asks policies, encrypts with
AES-256-GCM and writes durably; ListAccounts is one request, which Maru answers with a page of 20 as AWS does.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress

import msgspec

from bench.aws_line import Account, Line, rate, signed
from bench.aws_peers import PEERS, Server, maru, peer
from bench.platform import memory_mb
from bench.report import Say, Table

SECONDS = float(os.environ.get("BENCH_AWS_SECONDS", "2"))  # for each figure
ACCOUNTS, KEYS = 100, 64
LARGE_BYTES, LARGE_RUNS = 64 * 1024 * 1024, 3
BUCKET = "maru-bench"
Requests = Callable[[Account], Sequence[bytes]]


def measure(say: Say) -> Sequence[Table]:
    """One table; each figure of all servers after another, so that what the machine does meanwhile hits all."""
    table = Table("AWS, raw signed HTTP")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # all start as installed packages do, from compiled modules
    with ExitStack() as stack:
        say("Maru")
        servers = [stack.enter_context(maru())]
        for name in PEERS:
            say(f"installing {name}")
            servers.append(stack.enter_context(peer(name)))
        _add(table, "start to first answer", "s", {each.name: each.start_s for each in servers}, "0.5 s")
        table.add("start to first answer, again", f"{servers[0].again_s:.2f} s")
        _add(table, "memory, idle", "MB", {each.name: _memory(each) for each in servers}, "80 MB")
        for server in servers:
            say(f"{server.name}: keys and accounts")
            _prepare(server.account)
        _rates(table, servers, say)
        _large(table, servers, say)
        _add(table, "memory, after it", "MB", {each.name: _memory(each) for each in servers})
    return [table]


def _rates(table: Table, servers: Sequence[Server], say: Say) -> None:
    what: Mapping[str, Requests] = {
        "KMS Encrypt 1 KiB": _encrypts,
        "KMS GenerateDataKey": _data_keys,
        f"ListAccounts of {ACCOUNTS}": lambda account: [_json(account, "organizations", "ListAccounts", {})],
        "GetCallerIdentity": lambda account: [_form(account, "sts", "Action=GetCallerIdentity&Version=2011-06-15")],
        "S3 put 1 KiB": lambda account: _objects(account, "PUT"),
        "S3 get 1 KiB": lambda account: _objects(account, "GET"),
    }
    for name, requests in what.items():
        for connections in (1, 8):
            say(f"{name}, {connections}")
            found = {}
            for server in servers:
                prepared = requests(server.account)
                rate(server.account, prepared, connections, SECONDS / 4)
                found[server.name] = rate(server.account, prepared, connections, SECONDS)
            _add(table, f"{name}, {connections} connection{'s'[: connections - 1]}", "/s", found, "2x ministack")


def _large(table: Table, servers: Sequence[Server], say: Say) -> None:
    body = os.urandom(LARGE_BYTES)
    for method, word in (("PUT", "put"), ("GET", "get")):
        found = {}
        for server in servers:
            say(f"{server.name}: {word} of 64 MiB")
            request = signed(
                server.account, "s3", path=f"/{BUCKET}/large", method=method, body=body if method == "PUT" else b""
            )
            line, took_s = Line(server.account), []
            for _ in range(LARGE_RUNS):
                begun = time.perf_counter()
                line.ask(request)
                took_s.append(time.perf_counter() - begun)
            found[server.name] = LARGE_BYTES / 1024 / 1024 / min(took_s)
            line.close()
        _add(table, f"S3 {word} 64 MiB", "MiB/s", found)


def _prepare(account: Account) -> None:
    """A bucket, the objects that are read, an organization of ACCOUNTS accounts."""
    line = Line(account)
    line.ask(signed(account, "s3", path=f"/{BUCKET}", method="PUT"))
    for request in _objects(account, "PUT"):
        line.ask(request)
    with suppress(RuntimeError):  # ministack has one from the start, and no such operation
        line.ask(_json(account, "organizations", "CreateOrganization", {"FeatureSet": "ALL"}))
    for number in range(1, ACCOUNTS):
        asked = {"AccountName": f"bench-{number}", "Email": f"bench{number}@example.com"}
        made = msgspec.json.decode(line.ask(_json(account, "organizations", "CreateAccount", asked)))
        status = made["CreateAccountStatus"]
        while status["State"] == "IN_PROGRESS":
            time.sleep(0.01)
            asked = {"CreateAccountRequestId": status["Id"]}
            text = line.ask(_json(account, "organizations", "DescribeCreateAccountStatus", asked))
            status = msgspec.json.decode(text)["CreateAccountStatus"]
        if status["State"] != "SUCCEEDED":
            raise RuntimeError(f"an account was not made: {status}")
    line.close()


def _encrypts(account: Account) -> Sequence[bytes]:
    plain = base64.b64encode(os.urandom(1024)).decode()
    return [_json(account, "kms", "Encrypt", {"KeyId": _key(account), "Plaintext": plain})]


def _data_keys(account: Account) -> Sequence[bytes]:
    return [_json(account, "kms", "GenerateDataKey", {"KeyId": _key(account), "KeySpec": "AES_256"})]


def _key(account: Account) -> str:
    line = Line(account)
    made = msgspec.json.decode(line.ask(_json(account, "kms", "CreateKey", {})))
    line.close()
    return str(made["KeyMetadata"]["KeyId"])


def _objects(account: Account, method: str) -> Sequence[bytes]:
    body = os.urandom(1024) if method == "PUT" else b""
    return [signed(account, "s3", path=f"/{BUCKET}/{number}", method=method, body=body) for number in range(KEYS)]


def _json(account: Account, service: str, operation: str, asked: Mapping[str, object]) -> bytes:
    prefix = {"kms": "TrentService", "organizations": "AWSOrganizationsV20161128"}[service]
    return signed(account, service, f"{prefix}.{operation}", msgspec.json.encode(asked))


def _form(account: Account, service: str, text: str) -> bytes:
    return signed(account, service, body=text.encode())


def _memory(server: Server) -> float:
    return sum(memory_mb(pid) for pid in server.pids())


def _add(table: Table, what: str, unit: str, found: Mapping[str, float], aim: str = "") -> None:
    """A row: ours, and each peer's with how many times ours it is."""
    ours = found["Maru"]
    digits = 2 if unit == "s" else 0
    others = [
        f"{name} {value:,.{digits}f} {unit} ({_times(ours, value, unit):.2f}x)"
        for name, value in found.items()
        if name != "Maru"
    ]
    table.add(what, f"{ours:,.{digits}f} {unit}", aim, ", ".join(others))


def _times(ours: float, theirs: float, unit: str) -> float:
    """How many times better Maru is: more of a rate, less of seconds and megabytes."""
    return ours / theirs if "/" in unit else theirs / ours
