"""Session tokens: everything about a temporary credential, sealed into the token itself.

Nothing is stored when a role is assumed, and nothing is lost on a restart: who holds the root key reads the
token back. The secret access key is in it, so the token alone establishes the caller.
Source: STS API reference, Credentials; IAM User Guide, "Temporary security credentials".
"""

from __future__ import annotations

import base64
import binascii
import zlib

import msgspec

from maru.contracts.sealer import Sealer
from maru.core.errors import Broken

CONTEXT = b"aws session token"
PACKED_BYTES_MAX = 4096
TOKEN_CHARACTERS_MAX = 16 * 1024


class SessionFields(msgspec.Struct, frozen=True, array_like=True):
    """What a token carries. Times are seconds since 1970; kind: a CallerKind; policies: session policies as text.

    issuer_arn, issuer_id: of the role or user it was made from; policy_arns: managed session policies, read
    anew at every use; bounded: whether session policies were given at all.
    """

    access_key: str
    secret: str
    kind: str
    account: str
    arn: str
    user_id: str
    issuer_arn: str
    issuer_id: str
    issued_at: int
    expires_at: int
    policies: tuple[str, ...] = ()
    policy_arns: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    transitive: tuple[str, ...] = ()
    source_identity: str = ""
    has_mfa: bool = False
    provider: str = ""
    provider_facts: dict[str, str | list[str]] = {}


_decode = msgspec.msgpack.Decoder(SessionFields).decode


def seal(fields: SessionFields, sealer: Sealer) -> str:
    """The token."""
    return base64.b64encode(sealer.seal(zlib.compress(msgspec.msgpack.encode(fields)), CONTEXT)).decode()


def open_token(token: str, sealer: Sealer) -> SessionFields | None:
    """What `token` carries, or None if Maru never made it."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        return None
    try:
        return _decode(zlib.decompress(sealer.open(base64.b64decode(token, validate=True), CONTEXT)))
    except (Broken, binascii.Error, ValueError, zlib.error, msgspec.DecodeError):
        return None


def packed_percent(policies: tuple[str, ...], policy_arns: tuple[str, ...], tags: dict[str, str]) -> int:
    """How much of the room for policies and tags is taken (PackedPolicySize); over 100 is too large."""
    packed = zlib.compress(msgspec.msgpack.encode((policies, policy_arns, tags)))
    return max(1, len(packed) * 100 // PACKED_BYTES_MAX) if policies or policy_arns or tags else 0
