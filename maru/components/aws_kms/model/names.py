"""How a request names a key: ID, key ARN, alias name, alias ARN.

Source: AWS KMS API reference, "KeyId"; KMS Developer Guide, "Key identifiers".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from maru.components.aws_kms.errors import coded, invalid, not_found
from maru.components.aws_kms.quirks import region_of_arn, unreadable_id

_KEY_ID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|mrk-[0-9a-f]{32}")
_ALIAS = re.compile(r"alias/[a-zA-Z0-9/_-]+")
_ALIAS_CHARACTERS = re.compile(r"[a-zA-Z0-9:/_-]+")
_ARN_PARTS = 6
_KEPT_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Reference:
    """Exactly one of key_id and alias is set; alias: with its alias/ before."""

    account: str
    key_id: str = ""
    alias: str = ""


@lru_cache(maxsize=_KEPT_MAX)
def read_reference(text: str, account: str, region: str, *, takes_alias: bool) -> Reference:
    """Raises NotFound or Invalid as KMS words it. account, region: of the request."""
    resource = text
    if text.startswith("arn:"):
        parts = text.split(":", _ARN_PARTS - 1)
        if len(parts) < _ARN_PARTS or parts[2] != "kms" or not parts[4].isdigit():
            raise coded("InvalidArnException", f"Invalid arn {text}")
        if parts[3] != region:
            raise not_found(region_of_arn(parts[3]))
        account, resource = parts[4], parts[5]
        if resource.startswith("key/"):
            resource = resource.removeprefix("key/")
        elif not resource.startswith("alias/"):
            raise coded("InvalidArnException", f"Invalid arn {text}")
    if takes_alias and resource.startswith("alias/"):
        return Reference(account, alias=resource)
    if not _KEY_ID.fullmatch(resource):
        raise not_found(unreadable_id(text, takes_alias=takes_alias))
    return Reference(account, key_id=resource)


def check_alias_name(name: str) -> None:
    """For CreateAlias. Raises Invalid as KMS words it."""
    if not _ALIAS_CHARACTERS.fullmatch(name):
        raise invalid(
            f"1 validation error detected: Value '{name}' at 'aliasName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"
        )
    if not name.startswith("alias/") or name == "alias/":
        raise invalid(
            'Alias must start with the prefix "alias/". Please see '
            "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
        )
    if not _ALIAS.fullmatch(name):
        raise invalid(f"{name} contains invalid characters for an alias")


def is_reserved(name: str) -> bool:
    """An alias of an AWS managed key, which only AWS makes."""
    return name.startswith("alias/aws/")
