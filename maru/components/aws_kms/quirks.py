"""Oddities of KMS, each with where it was seen."""

from __future__ import annotations

PREDEFINED = (
    "acm",
    "dynamodb",
    "ebs",
    "elasticfilesystem",
    "es",
    "glue",
    "kinesisvideo",
    "lambda",
    "rds",
    "redshift",
    "s3",
    "secretsmanager",
    "ssm",
    "xray",
)
"""Services whose alias/aws/NAME is listed before its key is made.

Source: ListAliases, "predefined aliases that AWS has created but has not yet associated with a KMS key".
"""


def unreadable_id(reference: str, *, takes_alias: bool) -> str:
    """What a key ID of no known form is answered: quoted only where an alias could stand.

    Source: recorded answers of DescribeKey and GenerateMac (quoted), of PutKeyPolicy, TagResource and
    EnableKeyRotation (not quoted).
    """
    return f"Invalid keyId '{reference}'" if takes_alias else f"Invalid keyId {reference}"


def region_of_arn(region: str) -> str:
    """An ARN of another region is refused by nothing but the region's name. Source: recorded DescribeKey."""
    return f"Invalid arn {region}"
