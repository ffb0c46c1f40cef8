"""When a key was last used, for GetKeyLastUsage.

It is kept in memory: what was used before this process started is not known, and TrackingStartDate says so.
Source: AWS KMS API reference, GetKeyLastUsage.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from maru.components.aws_kms.model.documents import Key, moment
from maru.contracts.aws_service import Members
from maru.core.clock import Clock

_KEYS_MAX = 100_000


class Uses:
    """The last cryptographic use of each key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.now()
        self._last: OrderedDict[str, tuple[str, datetime, str]] = OrderedDict()  # ARN: operation, time, request

    def note(self, key: Key, operation: str, request_id: str) -> None:
        """`operation` just succeeded."""
        self._last[key.arn] = (operation, self._clock.now(), request_id)
        if len(self._last) > _KEYS_MAX:
            self._last.popitem(last=False)

    def of(self, key: Key) -> Members:
        """As GetKeyLastUsage answers."""
        created = moment(key.fields.created_at)
        assert created is not None
        members: Members = {
            "KeyId": key.arn,
            "KeyCreationDate": created,
            "TrackingStartDate": max(created, self._since),
        }
        if key.arn in self._last:
            operation, when, request_id = self._last[key.arn]
            members["KeyLastUsage"] = {"Operation": operation, "Timestamp": when, "KmsRequestId": request_id}
        return members
