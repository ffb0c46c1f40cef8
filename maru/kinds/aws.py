"""Where AWS documents stand among the others: namespaces, names, groups.

An account is a namespace `aws-<12 digits>`, made with the account; a document's name is its parts (region
first where the thing is regional) joined by dots. AWS names are longer and freer than document names, so a
part that is no DNS label is kept by its digest, and the spec has it in full.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache

from maru.core.document import Resource

ROOT_ACCOUNT = "123456789012"
"""The account that a platform begins with, as in AWS's own examples."""

IAM, KMS, ORGANIZATIONS, S3 = (f"{name}.aws.maru.dev" for name in ("iam", "kms", "organizations", "s3"))
"""API groups."""

ACCOUNTS = Resource(ORGANIZATIONS, "v1", "accounts", "Account", namespaced=False)
"""Every account there is, the first one included: spec.id, spec.name, spec.email; aws_iam sets status.role."""

_NAMES_KEPT_MAX = 16_384
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")


def namespace_of(account: str) -> str:
    """The namespace of an account's documents."""
    return f"aws-{account}"


@lru_cache(maxsize=_NAMES_KEPT_MAX)
def document_name(*parts: str) -> str:
    """A document's name for a thing that AWS names by `parts`; the same parts always give the same name."""
    return ".".join(part if _LABEL.fullmatch(part) else _digest(part) for part in parts)


def _digest(part: str) -> str:
    readable = re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-")[:24].strip("-")
    digest = base64.b32encode(hashlib.sha256(part.encode()).digest()[:10]).decode().lower()
    return f"{readable}-{digest}" if readable else f"x-{digest}"
