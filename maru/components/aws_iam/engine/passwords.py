"""Passwords: kept as scrypt hashes, held to the account's password policy.

Source: IAM User Guide, "Set an account password policy for IAM users"; RFC 7914.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from maru.components.aws_iam.errors import coded
from maru.components.aws_iam.model.documents import PasswordPolicyFields

SYMBOLS = "!@#$%^&*()_+-=[]{}|'"
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1
_DEFAULT_LENGTH, _DEFAULT_KINDS = 8, 3


def hash_blocking(password: str, salt: str) -> str:
    """A hash with its salt. Takes some 30 ms."""
    return f"{salt}${base64.b64encode(_derived(password, salt)).decode()}"


def matches_blocking(password: str, kept: str) -> bool:
    """Whether `kept` is a hash of `password`."""
    salt, _, digest = kept.partition("$")
    return hmac.compare_digest(_derived(password, salt), base64.b64decode(digest))


def check(password: str, policy: PasswordPolicyFields | None, user: str) -> None:
    """Raises PasswordPolicyViolation with the first rule that is broken."""
    if policy is None:
        kinds = sum(any(test(letter) for letter in password) for test in (_is_upper, _is_lower, _is_digit, _is_symbol))
        if len(password) < _DEFAULT_LENGTH:
            raise _violation("Password should have a minimum length of 8")
        if kinds < _DEFAULT_KINDS:
            raise _violation("Password should contain at least 3 of: uppercase, lowercase, numbers, symbols")
        if password.lower() == user.lower():
            raise _violation("Password should not be identical to the user name")
        return
    if len(password) < policy.minimum_length:
        raise _violation(f"Password should have a minimum length of {policy.minimum_length}")
    for wanted, test, text in (
        (policy.require_uppercase, _is_upper, "Password should have at least one uppercase letter"),
        (policy.require_lowercase, _is_lower, "Password should have at least one lowercase letter"),
        (policy.require_numbers, _is_digit, "Password should have at least one number"),
        (policy.require_symbols, _is_symbol, "Password should have at least one symbol"),
    ):
        if wanted and not any(test(letter) for letter in password):
            raise _violation(text)


def _derived(password: str, salt: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=_COST, r=_BLOCK, p=_PARALLEL, dklen=32)


def _violation(text: str) -> Exception:
    return coded("PasswordPolicyViolation", text)


def _is_upper(letter: str) -> bool:
    return "A" <= letter <= "Z"


def _is_lower(letter: str) -> bool:
    return "a" <= letter <= "z"


def _is_digit(letter: str) -> bool:
    return "0" <= letter <= "9"


def _is_symbol(letter: str) -> bool:
    return letter in SYMBOLS
