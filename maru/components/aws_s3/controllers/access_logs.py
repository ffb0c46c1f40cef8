"""Server access logs: what is asked of a logged bucket is gathered, and written to its target every so often.

As on AWS it is best effort: lines that wait when the process is killed are lost, and past a bound they are dropped
and counted. An orderly end writes them. Source: Amazon S3 User Guide, "Logging requests with server access logging".
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from maru.components.aws_s3.api.reach import Reach
from maru.components.aws_s3.api.sealing import Sealing
from maru.components.aws_s3.engine.digests import Digests
from maru.components.aws_s3.engine.versions import Draft, Place
from maru.components.aws_s3.model import access_log
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.entry import About
from maru.components.aws_s3.model.names import arn_of
from maru.contracts.aws_access import AwsAuthorizer, AwsCaller, CallerKind, Circumstances, Question
from maru.contracts.aws_service import STATUS, AwsCall, AwsOperation, Members
from maru.core.errors import MaruError
from maru.core.log import Log

LINES_MAX = 50_000


class AccessLogs:
    """Stands around every operation, and writes what it saw."""

    def __init__(self, reach: Reach, sealing: Sealing, authorizer: AwsAuthorizer) -> None:
        self._reach = reach
        self._sealing = sealing
        self._authorizer = authorizer
        self._lines: dict[tuple[str, str], list[str]] = {}  # by the bucket's name and id
        self._waiting = 0
        self._dropped = 0
        self._log = Log("aws_s3")

    def around(self, name: str, operation: AwsOperation) -> AwsOperation:
        """The operation, with a line for each request to a bucket that is logged."""
        perform = operation.perform

        async def performed(call: AwsCall) -> Members:
            bucket = self._reach.find(str(call.parameters.get("Bucket") or ""))
            if bucket is None or bucket.setting(access_log.SETTING) is None:
                return await perform(call)
            began_s = self._reach.clock.monotonic_s()
            try:
                answer = await perform(call)
            except MaruError as error:
                self._note(name, call, bucket, error, began_s)
                raise
            self._note(name, call, bucket, answer, began_s)
            return answer

        return replace(operation, perform=performed)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._reach.clock.sleep(self._reach.config.access_logs_every_s)
            await self.deliver()

    async def deliver(self) -> None:
        """Write what waits."""
        lines, self._lines, self._waiting = self._lines, {}, 0
        if self._dropped:
            self._log.warning("lines of access logs were dropped", lines=self._dropped)
            self._dropped = 0
        for (name, bucket_id), several in lines.items():
            source = self._reach.find(name)
            if source is None or source.id != bucket_id:
                continue
            try:
                await self._write(source, "".join(several).encode())
            except MaruError as error:
                self._log.warning("an access log was not written", bucket=name, why=str(error))

    def _note(self, name: str, call: AwsCall, bucket: Bucket, outcome: Members | MaruError, began_s: float) -> None:
        if self._waiting >= LINES_MAX:
            self._dropped += 1
            return
        status, code, sent, size = 200, "", -1, -1
        if isinstance(outcome, MaruError):
            status, code = int(outcome.details.get("status", 400)), str(outcome.details.get("code", ""))
        else:
            status = int(outcome.get(STATUS) or (204 if call.method == "DELETE" else 200))
            if name == "GetObject":
                sent = int(outcome.get("ContentLength", -1))
                size = int(str(outcome.get("ContentRange", f"/{sent}")).rpartition("/")[2])
            elif name in ("PutObject", "UploadPart"):
                size = call.body_bytes
        request = access_log.Request(
            name,
            call.method,
            call.raw_target,
            str(call.parameters.get("Key") or ""),
            call.caller.arn,
            call.circumstances.source_ip,
            call.request_id,
            call.host,
            call.headers,
            status,
            code,
            (sent, size),
            int((self._reach.clock.monotonic_s() - began_s) * 1000),
            str(call.parameters.get("VersionId") or ""),
        )
        line = access_log.line(bucket, call.circumstances.now, request)
        self._lines.setdefault((bucket.name, bucket.id), []).append(line)
        self._waiting += 1

    async def _write(self, source: Bucket, content: bytes) -> None:
        wanted = (source.setting(access_log.SETTING) or {}).get("LoggingEnabled") or {}
        target = self._reach.find(str(wanted.get("TargetBucket") or ""))
        if target is None:
            return
        now = self._reach.clock.now()
        key = access_log.key_of(source, wanted, now, self._reach.ids.uid().replace("-", "")[:16])
        if not access_log.is_granted(target) and not self._may(source, target, key):
            self._log.warning("the target lets no log be written", bucket=source.name, target=target.name)
            return
        seal, digests = self._sealing.own(), Digests(["CRC64NVME"])
        written = await self._reach.depot.write(_once(content), seal.data_key, digests)
        about = About(
            target.account,
            segments=(written.segment,),
            headers={"ContentType": "text/plain"},
            checksums=digests.checksums(),
            checksum_type="FULL_OBJECT",
            encryption=seal.encryption,
        )
        fresh = ((written.segment, written.inline),)
        draft = Draft(len(content), digests.md5().hex(), about, self._reach.depot.now_ms(), fresh=fresh)
        await self._reach.depot.put(Place(target.id, key), target.spec.versioning, draft)

    def _may(self, source: Bucket, target: Bucket, key: str) -> bool:
        who = AwsCaller(CallerKind.SERVICE, target.account, "", access_log.SERVICE, service=access_log.SERVICE)
        facts = {"aws:SourceArn": arn_of(source.name), "aws:SourceAccount": source.account}
        asked = Question("s3:PutObject", arn_of(target.name, key), target.account, target.spec.policy, facts=facts)
        return self._authorizer.decide(who, asked, Circumstances(self._reach.clock.now())).allowed


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
