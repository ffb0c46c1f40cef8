"""Oddities of Organizations, each with where it was seen."""

from __future__ import annotations

FIRST_NAME, FIRST_EMAIL = "master", "master@example.com"
"""The first account's, as client test suites expect them of an emulator."""

POLICY_NOT_READ = "You specified a policy that doesn't exist."
"""What DescribePolicy and ListTargetsForPolicy say where operations that change say otherwise."""

PRINCIPALS = frozenset(
    f"{name}.amazonaws.com"
    for name in (
        "access-analyzer",
        "account",
        "aws-artifact-account-sync",
        "auditmanager",
        "backup",
        "billing-cost-management",
        "bcmdataexports.billing",
        "bedrock",
        "chatbot",
        "cloudtrail",
        "compute-optimizer",
        "config",
        "config-multiaccountsetup",
        "controltower",
        "cost-optimization-hub.bcm",
        "custom.rds.preview",
        "declarative-policies-ec2.organizations",
        "detective",
        "devops-guru",
        "ds",
        "ec2",
        "ec2.aws",
        "fms",
        "guardduty",
        "health",
        "iam",
        "inspector2",
        "ipam",
        "license-manager",
        "license-manager-linux-subscriptions",
        "license-manager.member-account",
        "license-management.marketplace",
        "macie",
        "malware-protection.guardduty",
        "member.org.stacksets.cloudformation",
        "mgn",
        "network-firewall",
        "networkmanager",
        "notifications",
        "observabilityadmin",
        "opsdatasync.ssm",
        "ram",
        "reachabilityanalyzer.networkinsights",
        "reporting.trustedadvisor",
        "resource-explorer-2",
        "s3",
        "securityhub",
        "securitylake",
        "selfservice.chime",
        "servicecatalog",
        "servicequotas",
        "ssm",
        "ssm-quicksetup",
        "sso",
        "stacksets.cloudformation",
        "storage-lens.s3",
        "support-console",
        "tagpolicies.tag",
        "transitgateway",
        "user-notifications",
        "wellarchitected",
        "workmail",
    )
)
"""Services that work with Organizations. Source: User Guide, "AWS services that you can use with Organizations"."""
