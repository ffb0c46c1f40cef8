"""The token that a limited list hands out to be continued.

It holds the revision the list is true at and the place it stopped; clients must not read it. A
revision of -1 goes on with what there is now. Source: k8s.io/apiserver/pkg/storage/continue.go.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import msgspec

from maru.components.apiserver.errors import bad_request

NOW = -1
_FORMAT = "meta.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Continuation:
    """version: the revision (NOW for the current one). after: (namespace, name) of the last document handed out."""

    version: int
    after: tuple[str, str]

    def token(self) -> str:
        """As it stands in metadata.continue."""
        body = msgspec.json.encode({"v": _FORMAT, "rv": self.version, "start": f"{self.after[0]}/{self.after[1]}"})
        return base64.urlsafe_b64encode(body).decode().rstrip("=")


def read(token: str) -> Continuation:
    """Raises 400 for what is no token of ours."""
    try:
        body = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = body["start"].partition("/")
        if body["v"] != _FORMAT or not isinstance(body["rv"], int) or not name:
            raise ValueError
        return Continuation(body["rv"], (namespace, name))
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error, msgspec.DecodeError) as error:
        raise bad_request(f"continue key is not valid: {token[:64]!r}") from error
