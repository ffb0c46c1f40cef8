"""The Principal element: whom a statement of a resource's policy is about, and how closely it names them.

How closely matters: a user or a session named itself needs no identity policy in its own account; a role
named is still bound by its boundary and session policies; an account named hands the decision to that
account's identity policies.
Source: IAM User Guide, "AWS JSON policy elements: Principal", "NotPrincipal"; "Permissions boundaries for IAM
entities", section on resource-based policies.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum

from maru.components.aws_iam.model.policy.request import Principal

_ACCOUNT = re.compile(r"\d{12}")
_ROOT = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")


class Closeness(IntEnum):
    """How closely a principal was named."""

    NOT = 0
    ACCOUNT = 1  # its account
    ROLE = 2  # its role or the user that federated it, or everybody while it is a session
    ITSELF = 3


Naming = Callable[[Principal], Closeness]


def compile_principal(element: object) -> Naming:
    """Of Principal."""
    namings = tuple(_named(kind, name) for kind, name in _names(element))
    if len(namings) == 1:
        return namings[0]

    def closeness(principal: Principal) -> Closeness:
        return max((naming(principal) for naming in namings), default=Closeness.NOT)

    return closeness


def compile_not_principal(element: object) -> Naming:
    """Of NotPrincipal: everybody but those who are listed with all that they are: session, role and account."""
    names = frozenset(name for _, name in _names(element))

    def closeness(principal: Principal) -> Closeness:
        own = [principal.arn, principal.role_arn, principal.service, principal.provider]
        is_listed = all(name in names for name in own if name) and (
            not principal.account or principal.account in names or f"arn:aws:iam::{principal.account}:root" in names
        )
        return Closeness.NOT if is_listed else Closeness.ITSELF

    return closeness


def _names(element: object) -> list[tuple[str, str]]:
    if isinstance(element, str):
        return [("*" if element == "*" else "AWS", element)]
    names: list[tuple[str, str]] = []
    if isinstance(element, dict):
        for kind, values in element.items():
            names += [(kind, str(value)) for value in (values if isinstance(values, list) else [values])]
    return names


def _named(kind: str, name: str) -> Naming:
    if name == "*" and kind in ("AWS", "*"):
        return _everybody
    if kind == "AWS":
        return _aws(name)
    if kind == "Service":
        return lambda principal: Closeness.ITSELF if principal.service and name in ("*", principal.service) else _NOT
    if kind == "Federated":
        return lambda principal: Closeness.ITSELF if principal.provider and _is_provider(name, principal) else _NOT
    return lambda principal: _NOT


def _aws(name: str) -> Naming:
    if _ACCOUNT.fullmatch(name):
        account = name
    elif root := _ROOT.fullmatch(name):
        account = root.group(1)
    else:

        def own(principal: Principal) -> Closeness:
            if name in (principal.arn, principal.user_id) and principal.arn:
                return Closeness.ITSELF
            return Closeness.ROLE if principal.role_arn and name == principal.role_arn else Closeness.NOT

        return own

    def of_account(principal: Principal) -> Closeness:
        if principal.account != account:
            return Closeness.NOT
        return Closeness.ITSELF if principal.is_root else Closeness.ACCOUNT

    return of_account


def _everybody(principal: Principal) -> Closeness:
    return Closeness.ROLE if principal.role_arn or principal.is_federated else Closeness.ITSELF


def _is_provider(name: str, principal: Principal) -> bool:
    return name in ("*", principal.provider)


_NOT = Closeness.NOT
