"""The types of policies: where they are in force, how large and how many they may be.

Source: AWS Organizations User Guide, "Quotas for AWS Organizations", "Managing policies".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SCP, RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"


@dataclass(frozen=True, slots=True)
class Kind:
    """content_max: characters; attached_max: on one target. managed: the ID of the one AWS attaches, "" for none."""

    name: str
    content_max: int
    attached_max: int
    managed: str = ""

    @property
    def is_authorization(self) -> bool:
        """It limits permissions, and is not merged into an effective policy."""
        return self.name in (SCP, RCP)


_ALL = (
    Kind(SCP, 5120, 5, "p-FullAWSAccess"),
    Kind(RCP, 5120, 5, "p-RCPFullAWSAccess"),
    Kind("TAG_POLICY", 10_000, 10),
    Kind("BACKUP_POLICY", 10_000, 10),
    Kind("AISERVICES_OPT_OUT_POLICY", 2500, 5),
    Kind("CHATBOT_POLICY", 10_000, 5),
    Kind("DECLARATIVE_POLICY_EC2", 10_000, 10),
    Kind("SECURITYHUB_POLICY", 10_000, 10),
    Kind("SECURITYHUB_CSPM_POLICY", 10_000, 10),
    Kind("INSPECTOR_POLICY", 10_000, 10),
    Kind("UPGRADE_ROLLOUT_POLICY", 10_000, 10),
    Kind("BEDROCK_POLICY", 10_000, 10),
    Kind("S3_POLICY", 10_000, 10),
    Kind("NETWORK_SECURITY_DIRECTOR_POLICY", 10_000, 10),
    Kind("GUARDDUTY_POLICY", 10_000, 10),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}

FULL_ACCESS = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
RCP_FULL_ACCESS = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}'
)
MANAGED: Mapping[str, tuple[str, str, str, str]] = {
    "p-FullAWSAccess": (SCP, "FullAWSAccess", "Allows access to every operation", FULL_ACCESS),
    "p-RCPFullAWSAccess": (RCP, "RCPFullAWSAccess", "Allows access to every resource", RCP_FULL_ACCESS),
}
"""AWS's own policies by ID: type, name, description, content."""
