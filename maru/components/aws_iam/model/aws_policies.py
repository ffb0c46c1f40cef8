"""Policies that AWS manages: those most used, as data in `aws_policies.json`.

Their documents are AWS's own, as of spring 2026.
Source: AWS Managed Policy Reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files

import msgspec

from maru.components.aws_iam.model.identifiers import unique_id

PREFIX = "arn:aws:iam::aws:policy"


class AwsPolicy(msgspec.Struct, frozen=True):
    """One of them. version: of the default, as AWS counts; path: / or /service-role/ or /job-function/."""

    name: str
    document: str
    description: str = ""
    path: str = "/"
    version: str = "v1"
    created_at: datetime = datetime.fromisoformat("2015-02-06T18:39:46Z")
    updated_at: datetime = datetime.fromisoformat("2015-02-06T18:39:46Z")

    @property
    def arn(self) -> str:
        return f"{PREFIX}{self.path}{self.name}"

    @property
    def id(self) -> str:
        return unique_id("ANPA", self.arn)


def aws_policies() -> Mapping[str, AwsPolicy]:
    """By ARN, ascending by name."""
    written = files(__package__).joinpath("aws_policies.json").read_bytes()
    entries = msgspec.json.decode(written, type=list[dict[str, object]])
    texts = [msgspec.json.encode(entry["document"]).decode() for entry in entries]
    policies = [
        msgspec.convert({**entry, "document": text}, AwsPolicy) for entry, text in zip(entries, texts, strict=True)
    ]
    return {policy.arn: policy for policy in sorted(policies, key=lambda policy: policy.name)}
