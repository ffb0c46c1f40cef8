"""What the index tells of an object: one version of a key, its content, and how it is encrypted.

`About` is kept with each version as one JSON value; what lists are made from stands in columns beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

NULL = "null"
"""The id of the version that is written while versioning is not enabled."""


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """One piece of content. id: of its row and file; salt: what its key is derived with; is_inline: in the index."""

    id: int
    size_bytes: int
    salt: str
    is_inline: bool = False


class PartAbout(msgspec.Struct, frozen=True, array_like=True):
    """A part of an object that was uploaded in parts, as GetObjectAttributes tells it."""

    number: int
    size_bytes: int
    checksums: dict[str, str] = {}


class Encryption(msgspec.Struct, frozen=True, omit_defaults=True):
    """kind: AES256, aws:kms, aws:kms:dsse or customer. sealed: the data key under the KMS key.

    context: the encryption context it is sealed with; shown: that the request brought. check: of a customer's key.
    """

    kind: str = "AES256"
    key_arn: str = ""
    sealed: bytes = b""
    context: dict[str, str] = {}
    has_bucket_key: bool = False
    customer_md5: str = ""
    check: str = ""


class Retention(msgspec.Struct, frozen=True):
    """mode: GOVERNANCE or COMPLIANCE; until: RFC 3339, UTC."""

    mode: str
    until: datetime


class About(msgspec.Struct, frozen=True, omit_defaults=True):
    """headers: system headers by the model's names (ContentType). grants: None for the owner's alone.

    restored_until: how long an archived object can be read, None before it was restored. upload: the id of the
    upload in parts that it was made by, "" for none.
    """

    owner: str
    segments: tuple[Segment, ...] = ()
    parts: tuple[PartAbout, ...] = ()
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    checksums: dict[str, str] = {}
    checksum_type: str = ""
    storage_class: str = "STANDARD"
    encryption: Encryption = Encryption()
    tags: dict[str, str] = {}
    grants: list[dict[str, object]] | None = None
    retention: Retention | None = None
    legal_hold: str = ""
    redirect: str = ""
    restored_until: datetime | None = None
    upload: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key. rank: ascending from the newest; modified_ms: since the epoch; etag: without quotes."""

    key: str
    rank: int
    id: str
    is_latest: bool
    is_marker: bool
    size_bytes: int
    etag: str
    modified_ms: int
    about: About

    @property
    def modified(self) -> datetime:
        """To whole seconds, as S3 tells it."""
        return datetime.fromtimestamp(self.modified_ms // 1000, UTC)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(About)


def encode_about(about: About) -> bytes:
    """As it is kept."""
    return _encoder.encode(about)


def decode_about(kept: bytes) -> About:
    """From what was kept."""
    return _decoder.decode(kept)
