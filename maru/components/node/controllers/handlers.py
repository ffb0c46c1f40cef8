"""Carrying out what a probe or a hook says: exec, httpGet, tcpSocket, grpc, sleep.

Source: pkg/probe (http: 200 to 399 is success, the body's first 10 KiB are the output);
pkg/kubelet/lifecycle, handlers; gRPC health checking protocol.
"""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass

import aiohttp
import msgspec

from maru.components.node.controllers.container_starter import process_path
from maru.components.node.controllers.sandbox_maker import folder_of
from maru.components.node.controllers.workshop import Workshop, within
from maru.components.node.engine.grpc_health import check_health
from maru.components.node.model.view import Attempt, Container
from maru.core.document import Value
from maru.core.errors import Deadline, MaruError

_OUTPUT_BYTES_MAX = 10 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """is_success, and what people read when it is not. is_unknown: it could not be tried."""

    is_success: bool
    output: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Which running container, at which address."""

    pod: Value
    container: Container
    attempt: Attempt
    ip: str


async def run_handler(workshop: Workshop, target: Target, handler: Value, limit_s: float) -> Outcome:
    """One try. Never raises for what the container does wrong."""
    if handler.get("exec") is not None:
        return await _exec(workshop, target, handler["exec"].get("command") or [], limit_s)
    if handler.get("httpGet") is not None:
        return await _http(workshop, target, handler["httpGet"], limit_s)
    if handler.get("tcpSocket") is not None:
        return await _tcp(workshop, target, handler["tcpSocket"], limit_s)
    if handler.get("grpc") is not None:
        port, service = int(handler["grpc"]["port"]), handler["grpc"].get("service") or ""
        try:
            said = await within(workshop.clock, check_health(target.ip, port, service), limit_s)
        except TimeoutError:
            return Outcome(False, f'timeout: failed to connect service "{target.ip}:{port}" within {limit_s:g}s')
        except OSError as error:
            return Outcome(False, f'failed to connect service "{target.ip}:{port}": {_words(error)}')
        return Outcome(said == "SERVING", f'service unhealthy (responded with "{said}")')
    if handler.get("sleep") is not None:
        await workshop.clock.sleep(min(float(handler["sleep"].get("seconds", 0)), limit_s))
        return Outcome(True)
    return Outcome(False, "missing probe handler")


async def load_process(workshop: Workshop, pod: Value, container: str, number: int) -> Value:
    """The OCI process of an attempt, as it was started. Raises OSError when it is not there."""
    path = process_path(folder_of(workshop, pod), container, number)
    process: Value = msgspec.json.decode(await asyncio.to_thread(path.read_bytes))
    return process


async def _exec(workshop: Workshop, target: Target, command: list[str], limit_s: float) -> Outcome:
    try:
        process = await load_process(workshop, target.pod, target.container.name, target.attempt.number)
        process = {**process, "args": command, "terminal": False}
        code, output = await workshop.runtime.exec_sync(target.attempt.id, process, limit_s)
    except Deadline:
        return Outcome(False, f'command timed out: "{" ".join(command)}" timed out after {limit_s:g}s')
    except (MaruError, OSError) as error:
        return Outcome(False, str(error))
    text = output.decode("utf-8", "replace")
    return Outcome(code == 0, text[:_OUTPUT_BYTES_MAX])


async def _http(workshop: Workshop, target: Target, action: Value, limit_s: float) -> Outcome:
    port = port_number(target.container.spec, action.get("port"))
    if port is None:
        return Outcome(False, f"invalid port {action.get('port')!r}")
    scheme = (action.get("scheme") or "HTTP").lower()
    host = action.get("host") or target.ip
    path = action.get("path") or "/"
    url = f"{scheme}://{_bracketed(host)}:{port}{path if path.startswith('/') else '/' + path}"
    headers = {entry["name"]: entry["value"] for entry in action.get("httpHeaders") or ()}
    headers.setdefault("User-Agent", "kube-probe/1.36")
    headers.setdefault("Accept", "*/*")
    timeout = aiohttp.ClientTimeout(total=limit_s)
    try:
        async with workshop.http.get(
            url, headers=headers, timeout=timeout, ssl=False, allow_redirects=False
        ) as response:
            body = await response.content.read(_OUTPUT_BYTES_MAX)
            status = response.status
    except TimeoutError:
        return Outcome(
            False, f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        )
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome(False, f'Get "{url}": {_words(error, host, port)}')
    if 200 <= status < 400:
        return Outcome(True, body.decode("utf-8", "replace"))
    return Outcome(False, f"HTTP probe failed with statuscode: {status}")


async def _tcp(workshop: Workshop, target: Target, action: Value, limit_s: float) -> Outcome:
    port = port_number(target.container.spec, action.get("port"))
    if port is None:
        return Outcome(False, f"invalid port {action.get('port')!r}")
    host = action.get("host") or target.ip
    try:
        _, writer = await within(workshop.clock, asyncio.open_connection(host, port), limit_s)
    except TimeoutError:
        return Outcome(False, f"dial tcp {_bracketed(host)}:{port}: i/o timeout")
    except OSError as error:
        return Outcome(False, _words(error, host, port))
    writer.close()
    return Outcome(True)


def port_number(container: Value, port: object) -> int | None:
    """A port by number or by the name it has in the container; None when there is none."""
    if isinstance(port, int):
        return port if 0 < port < 65536 else None
    if isinstance(port, str):
        for entry in container.get("ports") or ():
            if entry.get("name") == port:
                return int(entry["containerPort"])
        if port.isdigit() and 0 < int(port) < 65536:
            return int(port)
    return None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _words(error: Exception, host: str = "", port: int = 0) -> str:
    """As Go says it: dial tcp 10.0.0.1:80: connect: connection refused."""
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number in errno.errorcode:
        where = f"dial tcp {_bracketed(host)}:{port}: connect: " if host else ""
        return f"{where}{os.strerror(number).lower()}"
    return str(error) or type(error).__name__
