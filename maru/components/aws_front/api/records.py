"""One audit record for each call of AWS, in the platform's one audit log.

Reads (Get, List, Describe, Head) have the verb get, and so has the use of a KMS key; all others have update, so
that `audit: writes` keeps what changes things and what was refused. Source: AWS CloudTrail User Guide, "Logging
management events" (readOnly; "actions such as Encrypt, Decrypt, and GenerateDataKey are logged as Read events").
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from msgspec import Struct

from maru.components.aws_front.api.head import Head
from maru.components.aws_front.api.routing import Meant
from maru.core.access import Attributes, Caller
from maru.core.identity.audit import AuditedRequest, AuditLog

_READS = ("Get", "List", "Describe", "Head", "Simulate", "Options", "Verify")
_USES = ("Encrypt", "Decrypt", "ReEncrypt", "Generate", "Sign", "DeriveSharedSecret", "Encapsulate", "Decapsulate")
"""Of a KMS key."""
_KEPT_MAX = 4_096


class Records:
    """Pours into the log of the API server."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def pour(self, head: Head, meant: Meant, address: str, outcome: Outcome) -> None:
        """Put one call in line, without waiting."""
        audit, caller, operation = self._audit, meant.caller, meant.operation
        attributes = _attributes(outcome.service, operation)
        if not audit.wants(attributes.verb, outcome.status):
            return
        who = Caller(caller.arn or caller.user_id, extra={"accessKey": (caller.access_key,)})
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


class Outcome(Struct, frozen=True):
    """How a call ended. code: AWS's error code, "" for a success."""

    service: str
    received_at: datetime
    status: int
    code: str = ""


@lru_cache(maxsize=_KEPT_MAX)
def _attributes(service: str, operation: str) -> Attributes:
    is_read = operation.startswith(_READS) or (service == "kms" and operation.startswith(_USES))
    return Attributes("get" if is_read else "update", path=f"/aws/{service}/{operation}")
