"""How long sessions last, and what may stand in their names.

Source: STS API reference, AssumeRole, GetSessionToken, GetFederationToken (DurationSeconds, RoleSessionName).
"""

from __future__ import annotations

import re

from maru.components.aws_iam.errors import validation
from maru.contracts.aws_access import AwsCaller, CallerKind

HOUR_S = 3600
SESSION_S_MIN = 900
_NAME = re.compile(r"[\w+=,.@-]*", re.ASCII)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role(/(?:.*/)?)([\w+=,.@-]+)")


def role_duration_s(given: int | None, role_max_s: int, caller: AwsCaller) -> int:
    """Of a role's session; one role assuming another has an hour at most. Raises ValidationError."""
    wanted = given or HOUR_S
    if wanted < SESSION_S_MIN:
        raise _bound(wanted, "Member must have value greater than or equal to 900")
    if wanted > 43200:
        raise _bound(wanted, "Member must have value less than or equal to 43200")
    if caller.kind is CallerKind.ROLE and wanted > HOUR_S:
        raise validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    if wanted > role_max_s:
        raise validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    return wanted


def user_duration_s(given: int | None, caller: AwsCaller) -> int:
    """Of GetSessionToken and GetFederationToken: 12 hours, 36 at most; for the root user one hour."""
    if given is not None and given < SESSION_S_MIN:
        raise _bound(given, "Member must have value greater than or equal to 900")
    if given is not None and given > 129600:
        raise _bound(given, "Member must have value less than or equal to 129600")
    if caller.kind is CallerKind.ROOT:
        return min(given or HOUR_S, HOUR_S)
    return given or 12 * HOUR_S


def check_session_name(name: str, parameter: str = "roleSessionName", longest: int = 64) -> None:
    """Raises ValidationError."""
    where = f"1 validation error detected: Value '{name}' at '{parameter}' failed to satisfy constraint: "
    if len(name) > longest:
        raise validation(f"{where}Member must have length less than or equal to {longest}")
    if len(name) < 2:
        raise validation(f"{where}Member must have length greater than or equal to 2")
    if not _NAME.fullmatch(name):
        raise validation(f"{where}Member must satisfy regular expression pattern: [\\w+=,.@-]*")


def role_named(arn: str) -> tuple[str, str]:
    """(account, name) of a role's ARN. Raises ValidationError."""
    found = _ROLE.fullmatch(arn)
    if found is None:
        if len(arn) < 20:
            raise validation(
                f"1 validation error detected: Value '{arn}' at 'roleArn' failed to satisfy constraint: Member must "
                "have length greater than or equal to 20"
            )
        raise validation(f"{arn} is invalid")
    return found.group(1), found.group(3)


def _bound(given: int, constraint: str) -> Exception:
    return validation(
        f"1 validation error detected: Value '{given}' at 'durationSeconds' failed to satisfy constraint: {constraint}"
    )
