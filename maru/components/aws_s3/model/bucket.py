"""A bucket as its document tells: who owns it, where it is, and each of its configurations.

A configuration is kept under the name of its S3 element with the members that the API gave, so that it is
answered as it was put. Names are unique over all accounts, so the kind has no namespace.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from maru.core.clock import parse_rfc3339
from maru.core.document import Resource, Value
from maru.kinds.aws import S3
from maru.kinds.custom import definition

BUCKETS = Resource(S3, "v1", "buckets", "Bucket", namespaced=False)


class BucketSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """account: 12 digits, owns it. id: of this life of the name: its objects stand under it.

    versioning: "" as long as it was never enabled. policy: the bucket policy, decoded; policy_text as it was put.
    settings: further configurations, by S3's names (CORSConfiguration), members as the API spells them.
    """

    name: str
    account: str
    region: str
    id: str
    object_lock: bool = False
    versioning: Literal["", "Enabled", "Suspended"] = ""
    policy: dict[str, object] | None = None
    policy_text: str = ""
    tags: dict[str, str] | None = None
    grants: list[dict[str, object]] | None = None
    settings: dict[str, dict[str, object]] = {}


class Bucket(msgspec.Struct, frozen=True):
    """The view of one document. created: to whole seconds."""

    spec: BucketSpec
    created: datetime
    version: str

    @property
    def name(self) -> str:
        """The bucket's name."""
        return self.spec.name

    @property
    def id(self) -> str:
        """What its objects stand under in the index."""
        return self.spec.id

    @property
    def account(self) -> str:
        """The owner."""
        return self.spec.account

    def setting(self, name: str) -> Value | None:
        """A configuration, or None. Shared: never change it."""
        return self.spec.settings.get(name)

    @property
    def ownership(self) -> str:
        """ObjectOwnership: BucketOwnerEnforced, BucketOwnerPreferred or ObjectWriter."""
        controls = self.setting("OwnershipControls")
        if controls is None:
            return "ObjectWriter"
        return str(controls["Rules"][0]["ObjectOwnership"])

    @property
    def has_acls(self) -> bool:
        """Whether ACLs decide anything."""
        return self.ownership != "BucketOwnerEnforced"

    def blocks(self, what: str) -> bool:
        """Whether the public access block has `what` (BlockPublicAcls ...)."""
        return bool((self.setting("PublicAccessBlockConfiguration") or {}).get(what))


def read_bucket(value: Value) -> Bucket:
    """The view of a document. Raises msgspec.ValidationError."""
    metadata = value["metadata"]
    created = parse_rfc3339(metadata["creationTimestamp"])
    return Bucket(msgspec.convert(value["spec"], BucketSpec), created, metadata["resourceVersion"])


def bucket_definition() -> Value:
    """The custom resource definition of buckets."""
    columns = (("Account", ".spec.account"), ("Region", ".spec.region"), ("Versioning", ".spec.versioning"))
    return definition(BUCKETS, BucketSpec, columns)
