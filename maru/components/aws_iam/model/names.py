"""Names, paths and tags: what IAM lets through, and its words for what it does not.

Source: IAM API reference, the patterns of each parameter; IAM User Guide, "IAM and AWS STS quotas", "Tag
naming limits".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from maru.components.aws_iam.errors import coded, invalid_input, limit_exceeded, validation
from maru.core.document import Value

NAME = re.compile(r"[\w+=,.@-]+", re.ASCII)
PATH = re.compile(r"/|(/[\x21-\x2e\x30-\x7e]+)+/")
TAG_KEY = re.compile(r"[\w\s.:/=+@-]+")
TAG_VALUE = re.compile(r"[\w\s.:/=+@-]*")
TAGS_MAX = 50
TAG_KEY_CHARACTERS_MAX, TAG_VALUE_CHARACTERS_MAX = 128, 256
NAME_CHARACTERS_MAX: Mapping[str, int] = {
    "userName": 64,
    "groupName": 128,
    "roleName": 64,
    "policyName": 128,
    "instanceProfileName": 128,
    "serverCertificateName": 128,
    "virtualMFADeviceName": 226,
}

Tags = Sequence[Value]


def check_name(parameter: str, name: str) -> None:
    """parameter: as the constraint names it (userName). Raises ValidationError."""
    longest = NAME_CHARACTERS_MAX.get(parameter, 128)
    if len(name) > longest:
        raise _constraint(name, parameter, f"Member must have length less than or equal to {longest}")
    if not NAME.fullmatch(name):
        raise validation(
            f"The specified value for {parameter} is invalid. It must contain only alphanumeric characters and/or "
            "the following: +=,.@_-"
        )


def check_path(path: str) -> str:
    """The path. Raises ValidationError."""
    if len(path) > 512:
        raise _constraint(path, "path", "Member must have length less than or equal to 512")
    if not PATH.fullmatch(path):
        raise validation(
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric "
            "characters and/or / characters."
        )
    return path


def check_tags(tags: Tags | None, have: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags by key after `tags` were added to `have`. Raises what TagUser raises."""
    merged = dict(have or {})
    cased = {key.lower(): key for key in merged}
    seen: set[str] = set()
    if tags and len(tags) > TAGS_MAX:
        text = "[" + ", ".join(str(dict(tag)) for tag in tags[:3]) + ", ...]"
        raise _constraint(text, "tags", "Member must have length less than or equal to 50")
    for place, tag in enumerate(tags or (), start=1):
        key, value = str(tag["Key"]), str(tag.get("Value", ""))
        _check_tag(place, key, value)
        if key.lower() in seen:
            raise invalid_input("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        seen.add(key.lower())
        merged.pop(cased.get(key.lower(), key), None)
        merged[key] = value
    if len(merged) > TAGS_MAX:
        raise limit_exceeded("The number of tags has reached the maximum limit.")
    return merged


def check_tag_keys(keys: Sequence[str]) -> None:
    """What may be taken away. Raises ValidationError."""
    if len(keys) > TAGS_MAX:
        raise _constraint(
            f"[{', '.join(keys[:3])}, ...]", "tagKeys", "Member must have length less than or equal to 50"
        )
    for place, key in enumerate(keys, start=1):
        if len(key) > TAG_KEY_CHARACTERS_MAX:
            raise _constraint(key, f"tagKeys.{place}.member", "Member must have length less than or equal to 128")
        if not TAG_KEY.fullmatch(key):
            raise _constraint(key, f"tagKeys.{place}.member", _PATTERN)


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """As answers have them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


_PATTERN = r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+"


def _check_tag(place: int, key: str, value: str) -> None:
    if len(key) > TAG_KEY_CHARACTERS_MAX:
        raise _constraint(key, f"tags.{place}.member.key", "Member must have length less than or equal to 128")
    if len(value) > TAG_VALUE_CHARACTERS_MAX:
        raise _constraint(value, f"tags.{place}.member.value", "Member must have length less than or equal to 256")
    if not TAG_KEY.fullmatch(key):
        raise _constraint(key, f"tags.{place}.member.key", _PATTERN)
    if not TAG_VALUE.fullmatch(value):
        raise _constraint(value, f"tags.{place}.member.value", _PATTERN.replace("]+", "]*"))
    if key.lower().startswith("aws:"):
        raise coded("InvalidInput", "System tags cannot be added/updated/removed by requester.")


def _constraint(value: str, where: str, constraint: str) -> Exception:
    return validation(
        f"1 validation error detected: Value '{value}' at '{where}' failed to satisfy constraint: {constraint}"
    )
