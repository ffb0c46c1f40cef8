"""IDs and ARNs of Organizations, and the forms they must have.

Source: AWS Organizations API reference, the patterns of each type; Service Authorization Reference.
"""

from __future__ import annotations

import re

from maru.components.aws_organizations.errors import invalid, invalid_pattern

ACCOUNT = re.compile(r"\d{12}")
ROOT = re.compile(r"r-[0-9a-z]{4,32}")
UNIT = re.compile(r"ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}")
POLICY = re.compile(r"p-[0-9a-zA-Z_]{8,128}")
HANDSHAKE = re.compile(r"h-[0-9a-z]{8,32}")
REQUEST = re.compile(r"car-[a-z0-9]{8,32}")
RESOURCE_POLICY = re.compile(r"rp-[0-9a-zA-Z_]{4,128}")


def check_form(text: str, *forms: re.Pattern[str]) -> str:
    """`text`, if it has one of the forms. Raises Invalid."""
    if not any(form.fullmatch(text) for form in forms):
        raise invalid(reason="INVALID_PATTERN")
    return text


def check_taggable(text: str) -> str:
    """The ID of something that bears tags. Raises Invalid, in the words of the tag operations."""
    if not any(form.fullmatch(text) for form in (ACCOUNT, ROOT, UNIT, POLICY, RESOURCE_POLICY)):
        raise invalid_pattern()
    return text


def arn(management: str, kind: str, *parts: str) -> str:
    """arn:aws:organizations::MANAGEMENT:KIND/PART/..."""
    return f"arn:aws:organizations::{management}:{kind}/{'/'.join(parts)}"


def root_suffix(root: str) -> str:
    """The part of a root's ID that the IDs of its units have."""
    return root.removeprefix("r-")
