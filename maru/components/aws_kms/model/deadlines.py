"""What is due for a key, and when the next thing is.

Source: KMS Developer Guide, "Deleting AWS KMS keys", "Expiring key material", "Automatic key rotation".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from maru.components.aws_kms.model.documents import Key, moment


@dataclass(frozen=True, slots=True)
class Due:
    """What to do now: at most one of is_deleted and the rest. expired: IDs of materials. next_at: None for never."""

    is_deleted: bool = False
    starts_waiting: bool = False
    rotates: bool = False
    expired: Sequence[str] = ()
    next_at: datetime | None = None


def plan(key: Key, now: datetime, *, is_primary: bool, has_replicas: bool) -> Due:
    """is_primary: true of a single-Region key; has_replicas: others are related to it."""
    fields = key.fields
    if key.state == "PendingReplicaDeletion":
        return Due(starts_waiting=not has_replicas)
    deletion = moment(fields.deletion_at)
    if deletion is not None and deletion <= now:
        return Due(is_deleted=True)
    expired, times = [], [deletion]
    for material in fields.materials:
        expires = moment(material.expires_at) if material.sealed else None
        if expires is not None and expires <= now:
            expired.append(material.id)
        else:
            times.append(expires)
    rotates = False
    if is_primary and fields.rotation_days and deletion is None and key.state in ("Enabled", "Disabled"):
        rotation = moment(fields.rotation_at)
        # A disabled key is not rotated; it is as soon as it is enabled again.
        rotates = rotation is not None and rotation <= now and key.state == "Enabled"
        if rotation is not None and rotation > now:
            times.append(rotation)
    return Due(
        rotates=rotates, expired=expired, next_at=min((time for time in times if time is not None), default=None)
    )
