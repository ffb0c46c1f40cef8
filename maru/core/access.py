"""Who asks, and for what: the words every authenticator and authorizer shares.

An authenticator turns a connection and headers into a `Caller`; an authorizer answers whether a
caller may do what `Attributes` names. Source: k8s.io/apiserver/pkg/authentication/user and
pkg/authorization/authorizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

ANONYMOUS = "system:anonymous"
GROUP_UNAUTHENTICATED = "system:unauthenticated"
GROUP_AUTHENTICATED = "system:authenticated"
GROUP_MASTERS = "system:masters"
GROUP_NODES = "system:nodes"


@dataclass(frozen=True, slots=True)
class Caller:
    """An established identity. `extra` holds facts by key, such as the Pod a token is bound to."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attributes:
    """One thing a caller wants to do: a verb on a resource, or on a path outside of the API."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""  # set when the request names no resource: /healthz, /version

    @property
    def is_resource(self) -> bool:
        return self.path == ""


@dataclass(frozen=True, slots=True)
class Decision:
    """`allowed`, and the reason a person may read."""

    allowed: bool
    reason: str = ""


class Authorizer(Protocol):
    """Answers whether a caller may do something, from memory, without waiting."""

    def authorize(self, caller: Caller, attributes: Attributes) -> Decision: ...
