"""Oddities of S3 that its model does not tell, each with its source."""

from __future__ import annotations

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def location_page(region: str) -> bytes:
    """GetBucketLocation: the region stands in the root itself, though the model says it is a member; "" for us-east-1.

    Source: Amazon S3 API reference, GetBucketLocation, sample response; botocore's handler parse_get_bucket_location.
    """
    root = f'<LocationConstraint xmlns="{_NAMESPACE}"'
    end = f">{region}</LocationConstraint>" if region else "/>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{root}{end}'.encode()
