"""Partitions: what ARNs are called where a region is not of the partition `aws`.

A platform keeps one spelling, that of `aws`; requests of another partition's regions are read into it, and answers
written out of it. Policies are percent-encoded in answers of IAM, so that spelling is changed, too.
Source: AWS General Reference, "Amazon Resource Names"; botocore's partitions.json (the patterns of regions).
"""

from __future__ import annotations

from typing import Any

_PREFIXES = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
)
OWN = "aws"


def partition_of(region: str) -> str:
    """The partition that a region belongs to."""
    for prefix, partition in _PREFIXES:
        if region.startswith(prefix):
            return partition
    return OWN


def respelled(value: Any, old: str, new: str) -> Any:
    """`value` (members, lists, texts) with the ARNs of partition `old` as those of `new`; others are left."""
    if isinstance(value, str):
        return value.replace(f"arn:{old}:", f"arn:{new}:").replace(f"arn%3A{old}%3A", f"arn%3A{new}%3A")
    if isinstance(value, dict):
        return {respelled(key, old, new): respelled(one, old, new) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [respelled(one, old, new) for one in value]
    return value
