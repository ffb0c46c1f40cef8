"""One audit record for each call of AWS, in the platform's one audit log.

Reads (Get, List, Describe, Head) have the verb get, all others update, so that `audit: writes` keeps what
changes things and what was refused. Source: AWS CloudTrail User Guide, "Management events", readOnly.
"""

from __future__ import annotations

from datetime import datetime

from maru.components.aws_front.api.head import Head
from maru.components.aws_front.api.routing import Meant
from maru.core.access import Attributes, Caller
from maru.core.identity.audit import AuditedRequest, AuditLog

_READS = ("Get", "List", "Describe", "Head", "Simulate", "Options", "Verify")


class Records:
    """Pours into the log of the API server."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def pour(self, head: Head, meant: Meant, address: str, outcome: Outcome) -> None:
        """Put one call in line, without waiting."""
        audit, caller, operation = self._audit, meant.caller, meant.operation
        verb = "get" if operation.startswith(_READS) else "update"
        if not audit.wants(verb, outcome.status):
            return
        who = Caller(caller.arn or caller.user_id, extra={"accessKey": (caller.access_key,)})
        attributes = Attributes(verb, path=f"/aws/{outcome.service}/{operation}")
        audit.record(
            AuditedRequest(
                who,
                who,
                attributes,
                uri=head.raw_target.partition("?")[0],
                address=address,
                user_agent=head.headers.get("user-agent", ""),
                received_at=outcome.received_at,
                code=outcome.status,
                message=outcome.code,
                annotations={"aws.maru.dev/operation": f"{outcome.service}:{operation}"},
            )
        )


class Outcome:
    """How a call ended. code: AWS's error code, "" for a success."""

    __slots__ = ("code", "received_at", "service", "status")

    def __init__(self, service: str, received_at: datetime, status: int, code: str = "") -> None:
        self.service = service
        self.received_at = received_at
        self.status = status
        self.code = code
