"""The account: its alias, what it has of everything, its credential report, all of its policies.

Source: IAM API reference, CreateAccountAlias, GetAccountSummary, GetCredentialReport,
GetAccountAuthorizationDetails; IAM User Guide, "Getting credential reports".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from maru.components.aws_iam.api.access_keys import AccessKeys
from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import ROOT_USER, Book
from maru.components.aws_iam.api.certificates import SIGNING_MAX
from maru.components.aws_iam.api.details import Details
from maru.components.aws_iam.api.pages import page
from maru.components.aws_iam.errors import already_exists, coded, no_such, validation
from maru.components.aws_iam.model.documents import Key, SigningFields
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.clock import parse_rfc3339, rfc3339

_ALIAS = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_REPORT_LIFE = timedelta(hours=4)
_COLUMNS = (
    "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,"
    "mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,"
    "access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,"
    "access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,"
    "cert_1_last_rotated,cert_2_active,cert_2_last_rotated"
)
QUOTAS = {
    "AccessKeysPerUserQuota": 2,
    "AssumeRolePolicySizeQuota": 2048,
    "AttachedPoliciesPerGroupQuota": 10,
    "AttachedPoliciesPerRoleQuota": 10,
    "AttachedPoliciesPerUserQuota": 10,
    "GroupPolicySizeQuota": 5120,
    "GroupsPerUserQuota": 10,
    "GroupsQuota": 300,
    "InstanceProfilesQuota": 1000,
    "PoliciesQuota": 1500,
    "PolicySizeQuota": 6144,
    "PolicyVersionsInUseQuota": 10000,
    "RolePolicySizeQuota": 10240,
    "RolesQuota": 1000,
    "ServerCertificatesQuota": 20,
    "SigningCertificatesPerUserQuota": 2,
    "UserPolicySizeQuota": 2048,
    "UsersQuota": 5000,
    "VersionsPerPolicyQuota": 5,
}


class Account:
    """See the module."""

    def __init__(self, book: Book, asker: Asker, keys: AccessKeys, details: Details) -> None:
        self._book = book
        self._asker = asker
        self._keys = keys
        self._details = details

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        performs = {
            "CreateAccountAlias": self.create_alias,
            "DeleteAccountAlias": self.delete_alias,
            "ListAccountAliases": self.list_aliases,
            "GetAccountSummary": self.summary,
            "GenerateCredentialReport": self.generate_report,
            "GetCredentialReport": self.report,
            "GetAccountAuthorizationDetails": self._details.all,
            "SetSecurityTokenServicePreferences": self.set_preferences,
        }
        return {name: AwsOperation(perform, self._asker.alone(name)) for name, perform in performs.items()}

    async def create_alias(self, call: AwsCall) -> Members:
        alias = call.parameters["AccountAlias"]
        if not _ALIAS.fullmatch(alias):
            raise validation(
                f"1 validation error detected: Value '{alias}' at 'accountAlias' failed to satisfy constraint: Member "
                "must satisfy regular expression pattern: ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$"
            )
        if any(one.fields.alias == alias for one in self._book.settings.kept.list()):
            raise already_exists(f"The account alias {alias} already exists.")
        await self._book.set_setting(call.account, {"alias": alias})
        return {}

    async def delete_alias(self, call: AwsCall) -> Members:
        alias = call.parameters["AccountAlias"]
        if self._book.setting(call.account).alias != alias:
            raise no_such(f"The account alias {alias} does not exist.")
        await self._book.set_setting(call.account, {"alias": ""})
        return {}

    async def list_aliases(self, call: AwsCall) -> Members:
        alias = self._book.setting(call.account).alias
        return page("AccountAliases", [alias] if alias else [], call)

    async def set_preferences(self, call: AwsCall) -> Members:
        await self._book.set_setting(
            call.account, {"globalTokenVersion": call.parameters["GlobalEndpointTokenVersion"]}
        )
        return {}

    async def summary(self, call: AwsCall) -> Members:
        book, account = self._book, call.account
        devices, policies = book.devices.list(account), book.policies.list(account)
        root_keys = self._keys.of(account, "")
        counts = {
            "Users": len(book.users.list(account)),
            "Groups": len(book.groups.list(account)),
            "Roles": len(book.roles.list(account)),
            "Policies": len(policies),
            "PolicyVersionsInUse": sum(len(policy.fields.versions) for policy in policies),
            "InstanceProfiles": len(book.profiles.list(account)),
            "Providers": len(book.providers.list(account)),
            "ServerCertificates": len(book.certificates.list(account)),
            "MFADevices": len(devices),
            "MFADevicesInUse": sum(bool(device.fields.user) for device in devices),
            "AccountMFAEnabled": int(any(device.fields.user == ROOT_USER for device in devices)),
            "AccountAccessKeysPresent": int(bool(root_keys)),
            "AccountSigningCertificatesPresent": 0,
            "AccountPasswordPresent": 0,
            "GlobalEndpointTokenVersion": int(book.setting(account).global_token_version[1]),
        }
        return {"SummaryMap": {**counts, **QUOTAS}}

    async def generate_report(self, call: AwsCall) -> Members:
        now = self._book.tools.clock.now()
        have = self._book.setting(call.account).report_at
        if have and parse_rfc3339(have) > now - _REPORT_LIFE:
            return {"State": "COMPLETE"}
        await self._book.set_setting(call.account, {"reportAt": rfc3339(now)})
        return {
            "State": "STARTED",
            "Description": "No report exists. Starting a new report generation task",
        }

    async def report(self, call: AwsCall) -> Members:
        have = self._book.setting(call.account).report_at
        if not have:
            raise coded("ReportNotPresent", "No report is available. Use GenerateCredentialReport first.", 410)
        made_at = parse_rfc3339(have)
        if made_at <= self._book.tools.clock.now() - _REPORT_LIFE:
            raise coded("ReportExpired", "The most recent credential report has expired.", 410)
        return {
            "Content": "\n".join([_COLUMNS, *self._rows(call.account)]).encode(),
            "ReportFormat": "text/csv",
            "GeneratedTime": made_at,
        }

    def _rows(self, account: str) -> Sequence[str]:
        book = self._book
        holders = {device.fields.user.lower() for device in book.devices.list(account)}
        rows = [
            [
                "<root_account>",
                f"arn:aws:iam::{account}:root",
                _stamp(rfc3339(book.born_at(account))),
                "not_supported",
                "no_information",
                "not_supported",
                "not_supported",
                _flag(ROOT_USER in holders),
                *self._key_columns(self._keys.of(account, "")),
                *_certificate_columns(()),
            ]
        ]
        for user in book.users.list(account):
            login = user.fields.login
            rows.append(
                [
                    user.name,
                    user.arn,
                    _stamp(rfc3339(user.created_at)),
                    _flag(login is not None),
                    "no_information" if login is not None else "N/A",
                    _stamp(login.changed_at) if login is not None else "N/A",
                    "N/A",
                    _flag(user.name.lower() in holders),
                    *self._key_columns(self._keys.of(account, user.name)),
                    *_certificate_columns(user.fields.signing_certificates),
                ]
            )
        return [",".join(row) for row in rows]

    def _key_columns(self, keys: Sequence[Key]) -> list[str]:
        columns: list[str] = []
        for place in range(2):
            if place >= len(keys):
                columns += ["false", "N/A", "N/A", "N/A", "N/A"]
                continue
            key = keys[place]
            used = self._keys.uses.find(key.account, key.fields.id)
            last = ["N/A", "N/A", "N/A"]
            if used is not None:
                last = [_stamp(rfc3339(used.at)), used.region, used.service]
            columns += [_flag(key.fields.status == "Active"), _stamp(rfc3339(key.created_at)), *last]
        return columns


def _certificate_columns(certificates: Sequence[SigningFields]) -> list[str]:
    columns: list[str] = []
    for one in certificates:
        columns += [_flag(one.status == "Active"), _stamp(one.uploaded_at)]
    return [*columns, *("false", "N/A") * (SIGNING_MAX - len(certificates))]


def _flag(holds: bool) -> str:
    return "true" if holds else "false"


def _stamp(rfc: str) -> str:
    return rfc.replace("Z", "+00:00")
