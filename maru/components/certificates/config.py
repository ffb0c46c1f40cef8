"""The knobs of certificates: section `certificates` of the configuration file."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from maru.core.config import Config


class CertificatesConfig(Config, frozen=True):
    """signing_duration_s: the longest life of a signed certificate (kube-controller-manager's
    --cluster-signing-duration); a request may ask for less.
    """

    signing_duration_s: Annotated[int, Meta(ge=600, le=10 * 365 * 86400)] = 365 * 86400
