"""Unique IDs of IAM, and the access key IDs that tell whose account they are of.

An ID is four letters for the kind of thing and characters of base 32. A user's, role's or policy's is made
from its document's uid, so that a document somebody applied by hand has one, too, and a new one when it is
made anew. An access key ID has the account in its first bits, as AWS's own (GetAccessKeyInfo reads it there).
Source: IAM User Guide, "IAM identifiers", unique identifiers.
"""

from __future__ import annotations

import base64
import hashlib
import re

_ACCOUNT_SHIFT = 7
_ACCOUNT_MASK = 0x7FFFFFFFFF80
_TOP = 1 << 47
_KEY = re.compile(r"(AKIA|ASIA)([A-Z2-7]{16})")

ACCESS_KEY, SESSION_KEY = "AKIA", "ASIA"


def unique_id(prefix: str, uid: str) -> str:
    """AIDA (user), AROA (role), AGPA (group), ANPA (policy), AIPA (instance profile), ASCA (certificate)..."""
    return prefix + base64.b32encode(hashlib.sha256(uid.encode()).digest()).decode()[:17]


def key_id(prefix: str, account: str, noise: str) -> str:
    """An access key ID of `account` (12 digits); `noise`: anything nobody guesses and nothing repeats."""
    digest = hashlib.sha256(noise.encode()).digest()
    number = _TOP | int(account) << _ACCOUNT_SHIFT | digest[0] & 0x7F
    return prefix + base64.b32encode(number.to_bytes(6) + digest[1:5]).decode()


def account_of_key(access_key: str) -> str:
    """The account an access key ID was made for, or "" if it is none."""
    found = _KEY.fullmatch(access_key)
    if found is None:
        return ""
    number = int.from_bytes(base64.b32decode(found.group(2))[:6])
    return f"{(number & _ACCOUNT_MASK) >> _ACCOUNT_SHIFT:012}"


def secret_key(noise: str) -> str:
    """A secret access key from `noise`: at least 40 URL-safe characters of randomness."""
    return noise.replace("-", "+").replace("_", "/")[:40]
