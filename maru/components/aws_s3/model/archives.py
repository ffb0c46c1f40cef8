"""Archived objects: not to be read before they are restored, for as many days as was asked.

A restore is there at once; on AWS it takes minutes to hours. Source: Amazon S3 API reference, RestoreObject.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model.draft_headers import ARCHIVES
from maru.components.aws_s3.model.entry import Version
from maru.core.document import Value

TIERS = ("Standard", "Bulk", "Expedited")


def check_readable(version: Version, now: datetime, *, is_copy: bool = False) -> None:
    """Raises InvalidObjectState, of the source of a copy ObjectNotInActiveTierError."""
    if version.about.storage_class in ARCHIVES and not _is_restored(version, now):
        if is_copy:
            raise refusal("ObjectNotInActiveTierError")
        raise refusal("InvalidObjectState", StorageClass=version.about.storage_class)


def header(version: Version, now: datetime) -> str | None:
    """As x-amz-restore shows it; None for what was not restored."""
    until = version.about.restored_until
    if until is None or until <= now:
        return None
    return f'ongoing-request="false", expiry-date="{until.strftime("%a, %d %b %Y %H:%M:%S GMT")}"'


def until_of(version: Version, asked: Value, now: datetime) -> datetime:
    """How long a restore lasts: to the midnight after its days. Raises InvalidObjectState, MalformedXML ..."""
    if version.about.storage_class not in ARCHIVES:
        text = "Restore is not allowed for the object's current storage class"
        raise refusal("InvalidObjectState", text, StorageClass=version.about.storage_class)
    if asked.get("SelectParameters") or asked.get("OutputLocation") or asked.get("Type"):
        raise refusal("NotImplemented", "Select restores are not implemented.")
    tier = (asked.get("GlacierJobParameters") or {}).get("Tier") or asked.get("Tier") or "Standard"
    days = asked.get("Days")
    if tier not in TIERS or not isinstance(days, int) or days <= 0:
        raise refusal("MalformedXML")
    at = now + timedelta(days=days + 1)
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _is_restored(version: Version, now: datetime) -> bool:
    until = version.about.restored_until
    return until is not None and until > now
