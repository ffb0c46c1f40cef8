"""Object Lock: retention until a date, legal hold, and what they refuse.

Source: Amazon S3 User Guide, "Locking objects with Object Lock".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from maru.components.aws_s3.errors import bad_argument, refusal
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.entry import Retention, Version
from maru.core.document import Value

MODES = ("GOVERNANCE", "COMPLIANCE")
SETTING = "ObjectLockConfiguration"


def check_configuration(members: Value) -> None:
    """Of PutObjectLockConfiguration. Raises MalformedXML, InvalidArgument."""
    if members.get("ObjectLockEnabled") != "Enabled":
        raise refusal("MalformedXML")
    rule = members.get("Rule")
    if rule is None:
        return
    retention = rule.get("DefaultRetention")
    if not retention or retention.get("Mode") not in MODES:
        raise refusal("MalformedXML")
    days, years = retention.get("Days"), retention.get("Years")
    if (days is None) == (years is None):
        raise refusal("MalformedXML")
    for name, count, count_max in (("Days", days, 36_500), ("Years", years, 100)):
        if count is not None and count <= 0:
            raise bad_argument("Default retention period must be a positive integer value.", name, count)
        if count is not None and count > count_max:
            raise bad_argument("Default retention period too large", name, count)


def of_request(parameters: Mapping[str, object], bucket: Bucket, now: datetime) -> tuple[Retention | None, str]:
    """Retention and legal hold of a new object: what it brings, else the bucket's default."""
    mode, until = parameters.get("ObjectLockMode"), parameters.get("ObjectLockRetainUntilDate")
    hold = str(parameters.get("ObjectLockLegalHoldStatus") or "")
    if (mode or until or hold) and not bucket.spec.object_lock:
        raise refusal("InvalidRequest", "Bucket is missing Object Lock Configuration")
    if hold and hold not in ("ON", "OFF"):
        raise bad_argument("Unknown wormMode directive.", "x-amz-object-lock-legal-hold", hold)
    if (mode is None) != (until is None):
        name = "x-amz-object-lock-mode" if mode is None else "x-amz-object-lock-retain-until-date"
        text = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
        raise refusal("InvalidArgument", text, ArgumentName=name)
    if mode is not None and isinstance(until, datetime):
        return checked(str(mode), until, now), hold
    return default_of(bucket, now), hold


def checked(mode: str, until: datetime, now: datetime) -> Retention:
    """Raises InvalidArgument."""
    if mode not in MODES:
        raise bad_argument("Unknown wormMode directive.", "x-amz-object-lock-mode", mode)
    if until <= now:
        text = "The retain until date must be in the future!"
        raise refusal(
            "InvalidArgument", text, ArgumentName="x-amz-object-lock-retain-until-date", ArgumentValue=str(until)
        )
    return Retention(mode, until)


def default_of(bucket: Bucket, now: datetime) -> Retention | None:
    """What the bucket's rule gives to new objects."""
    rule = (bucket.setting(SETTING) or {}).get("Rule")
    if not rule:
        return None
    retention = rule["DefaultRetention"]
    days = retention.get("Days")
    if days is not None:
        return Retention(retention["Mode"], now + timedelta(days=days))
    years = retention["Years"]
    try:
        return Retention(retention["Mode"], now.replace(year=now.year + years))
    except ValueError:  # 29 February
        return Retention(retention["Mode"], now.replace(year=now.year + years, day=28))


def check_removal(version: Version | None, now: datetime, *, bypasses: bool) -> None:
    """Raises AccessDenied while the version is held. bypasses: the caller may, and asked to."""
    if version is None or version.is_marker:
        return
    text = "Access Denied because object protected by object lock."
    if version.about.legal_hold == "ON":
        raise refusal("AccessDenied", text)
    retention = version.about.retention
    if retention is not None and retention.until > now and not (retention.mode == "GOVERNANCE" and bypasses):
        raise refusal("AccessDenied", text)


def check_retention_change(had: Retention | None, want: Retention | None, now: datetime, *, bypasses: bool) -> None:
    """Raises AccessDenied when a retention that still holds would become weaker."""
    if had is None or had.until <= now:
        return
    is_same_mode = want is not None and want.mode in (had.mode, "COMPLIANCE")
    if want is not None and is_same_mode and want.until >= had.until:
        return
    if had.mode == "COMPLIANCE" or not bypasses:
        raise refusal("AccessDenied", "Access Denied because object protected by object lock.")
