"""The knobs of S3."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from maru.core.config import Config


class AwsS3Config(Config, frozen=True):
    """inline_bytes_max: objects up to this size stand in the index, larger ones in files.

    new_bucket_ownership, new_bucket_blocks_public: what a bucket begins with, as AWS does since April 2023.
    lifecycle_every_s: between two looks for what has expired. lifecycle_day_s: the length of a lifecycle day
    (shorter for trying rules out). collect_every_s: between two looks for files that no object names.
    access_logs_every_s: between two deliveries of server access logs.
    """

    inline_bytes_max: Annotated[int, Meta(ge=0, le=65_536)] = 4096
    new_bucket_ownership: Literal["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"] = "BucketOwnerEnforced"
    new_bucket_blocks_public: bool = True
    lifecycle_every_s: Annotated[float, Meta(ge=0.05, le=86_400)] = 3600.0
    lifecycle_day_s: Annotated[float, Meta(ge=0.05, le=86_400)] = 86_400.0
    collect_every_s: Annotated[float, Meta(ge=0.05, le=604_800)] = 86_400.0
    access_logs_every_s: Annotated[float, Meta(ge=0.05, le=86_400)] = 60.0
