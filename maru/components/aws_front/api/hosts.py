"""Which bucket, if any, a host name means: virtual-host style and websites of S3.

Source: Amazon S3 User Guide, "Virtual hosting of buckets" and "Website endpoints".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ENDPOINT = r"(?:localhost|localhost\.localstack\.cloud|amazonaws\.com(?:\.cn)?)"
_REGION = r"[a-z]{2}(?:-[a-z]+)+-\d"
_VIRTUAL = re.compile(
    rf"(?P<bucket>.+)\.s3(?:[.-](?:dualstack\.)?(?P<region>{_REGION}))?\.{_ENDPOINT}|(?P<short>.+)\.localhost"
)
_WEBSITE = re.compile(rf"(?P<bucket>.+)\.s3-website(?:[.-](?P<region>{_REGION}))?\.{_ENDPOINT}")
_SERVICE = re.compile(rf"s3(?:[.-](?:dualstack\.)?{_REGION})?|[a-z-]+\.{_REGION}")


@dataclass(frozen=True, slots=True)
class Host:
    """bucket: "" for path style."""

    bucket: str = ""
    is_website: bool = False


def read_host(host: str) -> Host:
    """What a Host header means to S3; the port does not matter."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.lower().rstrip(".")
    if not name.endswith((".localhost", ".cloud", ".com", ".cn")):
        return Host()
    website = _WEBSITE.fullmatch(name)
    if website:
        return Host(website["bucket"], True)
    virtual = _VIRTUAL.fullmatch(name)
    if virtual is None:
        return Host()
    bucket = virtual["bucket"] or virtual["short"]
    return Host() if _SERVICE.fullmatch(bucket) else Host(bucket)
