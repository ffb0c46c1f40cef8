"""The audit log: who did what, when, and how it ended, as JSON lines in files of bounded size.

Events have the shape of audit.k8s.io/v1 Event at level Metadata, stage ResponseComplete. They pass
through a bounded queue: when the disk is slower than the requests, the oldest are dropped, counted
and owned up to in the log itself. Source: Kubernetes, "Auditing"; k8s.io/apiserver/pkg/apis/audit/v1.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import msgspec

from maru.core.access import Attributes, Caller
from maru.core.clock import Clock, rfc3339_micro
from maru.core.document import Value
from maru.core.ids import Ids
from maru.core.limits import STREAM_ITEMS_MAX
from maru.core.log import Log

FILE_NAME = "audit.log"
_BATCH_S = 0.2  # how long events gather before a write
_READ_VERBS = frozenset({"get", "list", "watch"})


@dataclass(frozen=True, slots=True)
class AuditFiles:
    """folder: where audit.log and its older numbers stand. bytes_max: of one file. files_max: 1..100."""

    folder: Path
    bytes_max: int
    files_max: int


class AuditedRequest(msgspec.Struct, frozen=True):
    """One finished request. real: who is connected; caller: who it was treated as (see Authenticator).

    code: the HTTP status; message: of a failure. received_at: when its head was read.
    """

    real: Caller
    caller: Caller
    attributes: Attributes
    uri: str
    address: str
    user_agent: str
    received_at: datetime
    code: int
    message: str = ""
    reason: str = ""  # the authorizer's
    annotations: Mapping[str, str] = {}  # admission's


class AuditLog:
    """Takes events without waiting; `run` writes them. verbosity: none, writes (and denials), or all."""

    def __init__(self, files: AuditFiles, verbosity: str, clock: Clock, ids: Ids) -> None:
        self.dropped_total = 0
        self._files = files
        self._verbosity = verbosity
        self._clock = clock
        self._ids = ids
        self._log = Log("audit")
        self._waiting: deque[bytes] = deque()
        self._arrived = asyncio.Event()

    def wants(self, verb: str, code: int) -> bool:
        """Whether a request of this verb that ended with this status is recorded."""
        if self._verbosity == "all":
            return True
        return self._verbosity == "writes" and (verb not in _READ_VERBS or code in (401, 403))

    def record(self, request: AuditedRequest) -> None:
        """Put it in line, if it is wanted."""
        if not self.wants(request.attributes.verb, request.code):
            return
        if len(self._waiting) >= STREAM_ITEMS_MAX:
            self._waiting.popleft()
            self.dropped_total += 1
        self._waiting.append(msgspec.json.encode(self._event(request)) + b"\n")
        self._arrived.set()

    async def run(self) -> None:
        """Write until cancelled; whoever cancels flushes what waits then."""
        dropped_told = 0
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self._clock.sleep(_BATCH_S)
            await self.flush()
            if self.dropped_total > dropped_told:
                self._log.warning("audit events dropped", events=self.dropped_total - dropped_told)
                dropped_told = self.dropped_total

    async def flush(self) -> None:
        """Write what waits. A disk that refuses is logged; the events are then counted as dropped."""
        lines = list(self._waiting)
        self._waiting.clear()
        if not lines:
            return
        try:
            await asyncio.to_thread(_append_blocking, self._files, lines)
        except OSError as error:
            self.dropped_total += len(lines)
            self._log.error("audit log cannot be written", folder=str(self._files.folder), error=str(error))

    def _event(self, request: AuditedRequest) -> Value:
        attributes = request.attributes
        event: Value = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Metadata",
            "auditID": self._ids.uid(),
            "stage": "ResponseComplete",
            "requestURI": request.uri,
            "verb": attributes.verb,
            "user": _user(request.real),
            "sourceIPs": [request.address],
            "userAgent": request.user_agent,
            "responseStatus": _status(request),
            "requestReceivedTimestamp": _stamp(request.received_at),
            "stageTimestamp": _stamp(self._clock.now()),
            "annotations": {
                "authorization.k8s.io/decision": "forbid" if request.code == 403 else "allow",
                "authorization.k8s.io/reason": request.reason,
                **request.annotations,
            },
        }
        if request.caller is not request.real:
            event["impersonatedUser"] = _user(request.caller)
        if attributes.is_resource:
            event["objectRef"] = _reference(attributes)
        return event


def _stamp(moment: datetime) -> datetime | str:
    """To microseconds; the serializer writes it so by itself, and quickly, unless there are none."""
    return moment if moment.microsecond else rfc3339_micro(moment)


def _user(caller: Caller) -> Value:
    user: Value = {"username": caller.name, "groups": list(caller.groups)}
    if caller.uid:
        user["uid"] = caller.uid
    if caller.extra:
        user["extra"] = {key: list(values) for key, values in caller.extra.items()}
    return user


def _status(request: AuditedRequest) -> Value:
    status: Value = {"metadata": {}, "code": request.code}
    if request.code >= 400:
        status |= {"status": "Failure", "message": request.message}
    return status


def _reference(attributes: Attributes) -> Value:
    fields = {
        "resource": attributes.resource,
        "namespace": attributes.namespace,
        "name": attributes.name,
        "apiGroup": attributes.group,
        "apiVersion": attributes.version,
        "subresource": attributes.subresource,
    }
    return {name: value for name, value in fields.items() if value}


def _append_blocking(files: AuditFiles, lines: Sequence[bytes]) -> None:
    files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = files.folder / FILE_NAME
    with path.open("ab") as log:
        path.chmod(0o600)
        log.writelines(lines)
        size_bytes = log.tell()
    if size_bytes >= files.bytes_max:
        _turn_blocking(files, path)


def _turn_blocking(files: AuditFiles, path: Path) -> None:
    """audit.log becomes audit.log.1, and so on; the oldest goes."""
    older = [path, *(path.with_name(f"{FILE_NAME}.{number}") for number in range(1, files.files_max))]
    for newer, target in reversed(list(pairwise(older))):
        if newer.exists():
            newer.replace(target)
    if files.files_max == 1:
        path.unlink(missing_ok=True)
